// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// sourceFew and sourceMany are how many objects are watched when the memory is read.
const sourceFew, sourceMany = 10_000, 50_000

// benchSourceMemory measures what the dispatcher takes for objects that a source watches and does not compare with
// what they were.
func benchSourceMemory(ctx context.Context, s *session) ([]figure, error) {
	p, err := s.newPlatform()
	if err != nil {
		return nil, err
	}
	t, err := newWatching(ctx, p)
	if err != nil {
		return nil, err
	}
	debug, err := debugAddress()
	if err != nil {
		return nil, err
	}
	d, err := p.NewDispatcher(ctx, platform.DispatcherOptions{Config: configuration, Args: []string{"--debug-address", debug}})
	if err != nil {
		return nil, err
	}
	if err := t.source(ctx, 1, hookv1.OperationUpdated, hookv1.OperationDeleted); err != nil {
		return nil, err
	}
	if err := d.Start(); err != nil {
		return nil, err
	}
	defer d.Kill()
	if err := awaitSources(ctx, p, t.namespace, "the source watches", isWatching); err != nil {
		return nil, err
	}
	counts := []int{0, s.scaled(sourceFew), s.scaled(sourceMany)}
	taken := make([]float64, len(counts))
	for i, n := range counts {
		if i > 0 {
			if err := t.pods(ctx, s, counts[i-1], n); err != nil {
				return nil, err
			}
		}
		if taken[i], err = resident(ctx, d.Process, debug); err != nil {
			return nil, err
		}
		s.say("%d objects: %.1f MiB", n, taken[i])
	}
	each := (taken[2] - taken[1]) * mebibyte / float64(counts[2]-counts[1])
	return []figure{
		single("source_memory_0", "(j) the dispatcher with a source of no Pods", "MiB", "", taken[0]),
		single("source_memory_10000", "(j) the same with 10,000 Pods", "MiB", "", taken[1]),
		single("source_memory_50000", "(j) the same with 50,000 Pods", "MiB", "", taken[2]),
		single("source_memory_object", "(j) each Pod of the last 40,000", "bytes", "< 1024", each),
	}, nil
}

// pods makes the Pods with the numbers from one on up to another, and waits until the source counts them.
func (t *tenant) pods(ctx context.Context, s *session, from, to int) error {
	began := time.Now()
	err := parallel(to-from, func(i int) error {
		if err := t.platform.Admin.Create(ctx, newPod(t.namespace, from+i)); err != nil {
			return fmt.Errorf("create pod: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.say("created %d Pods in %.0f s", to-from, time.Since(began).Seconds())
	return awaitSources(ctx, t.platform, t.namespace, "the source counts all objects", func(s *hookv1.WebhookEventSource) error {
		if s.Status.Objects == nil || *s.Status.Objects != int64(to) {
			return fmt.Errorf("it counts %v objects, want %d", s.Status.Objects, to)
		}
		return nil
	})
}

// newPod is a Pod as a Deployment makes them, of some 5 KB with what the API server adds.
func newPod(namespace string, number int) *corev1.Pod {
	container := func(name string) corev1.Container {
		c := corev1.Container{
			Name: name, Image: "registry.example.com/shop/" + name + "@sha256:" + strings.Repeat("ab", 32),
			Args:           []string{"--listen=:8080", "--log-format=json", "--config=/etc/" + name + "/config.yaml"},
			Ports:          []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "metrics", ContainerPort: 9090}},
			VolumeMounts:   []corev1.VolumeMount{{Name: "config", MountPath: "/etc/" + name}, {Name: "tmp", MountPath: "/tmp"}},
			ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz"}}},
		}
		c.ReadinessProbe.HTTPGet.Port.StrVal, c.ReadinessProbe.HTTPGet.Port.Type = "http", 1
		for i := range 8 {
			c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", i), Value: fmt.Sprintf("value of setting %d", i)})
		}
		return c
	}
	name := fmt.Sprintf("orders-7d9f8c6b5d-%05d", number)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{
				"app.kubernetes.io/name": "orders", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "7d9f8c6b5d",
			},
			Annotations: map[string]string{"prometheus.io/scrape": "true", "checksum/config": strings.Repeat("cd", 32)},
		},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{container("orders"), container("proxy")},
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
					LocalObjectReference: corev1.LocalObjectReference{Name: "orders"},
				}}},
				{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}
}
