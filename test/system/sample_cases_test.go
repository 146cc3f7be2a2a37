// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package system

import (
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// named is the metadata of an object in the samples' namespace.
func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: demoNamespace, Name: name, Labels: map[string]string{"app": name}}
}

// containers are those of a pod that nobody runs.
func containers(name string) []corev1.Container {
	return []corev1.Container{{
		Name: name, Image: "example.com/" + name + ":1", Env: []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}},
	}}
}

func deploymentIsShortOfReplicas(t *testing.T, s *sampled) {
	three := int32(3)
	deployment := &appsv1.Deployment{ObjectMeta: named("shop"), Spec: appsv1.DeploymentSpec{
		Replicas: &three, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "shop"}}, Spec: corev1.PodSpec{Containers: containers("shop")},
		},
	}}
	available := func(n int32) {
		t.Helper()
		deployment.Status = appsv1.DeploymentStatus{Replicas: 3, UpdatedReplicas: 3, ReadyReplicas: n, AvailableReplicas: n, UnavailableReplicas: 3 - n}
		s.status(t, deployment, "kube-controller-manager")
	}
	s.create(t, deployment) // with none of its replicas, which come in time
	available(3)
	available(1) // for a moment
	available(3)
	begun := time.Now()
	available(2)
	short := map[string]any{"type": "dev.posthorn.kubernetes.apps.deployment.updated", "subject": "demo/shop"}
	data := s.await(t, "degraded-deployments", short)
	if took := time.Since(begun); took < hold {
		t.Errorf("it was told after %s", took)
	}
	for path, want := range map[string]any{"kind": "Deployment", "namespace": demoNamespace, "name": "shop", "uid": string(deployment.UID)} {
		if got := at(t, data[0], path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if got := at(t, data[0], "object", "status", "availableReplicas"); got != 2.0 {
		t.Errorf("available are %v, want 2", got)
	}
	if got := at(t, data[0], "object", "spec", "template", "spec", "containers", 0); at(t, got, "name") != "shop" || at(t, got, "env") != nil {
		t.Errorf("the container is %v, want it without env", got)
	}
	nextSecond()
	available(3)
	data = s.await(t, "degraded-deployments", short, map[string]any{
		"type": "dev.posthorn.kubernetes.apps.deployment.updated.recovered", "subject": "demo/shop", "actor": "kube-controller-manager",
	})
	if got := at(t, data[1], "object", "status", "availableReplicas"); got != 3.0 {
		t.Errorf("available are %v, want 3", got)
	}
}

func jobFails(t *testing.T, s *sampled) {
	end := func(name string, conditions ...batchv1.JobConditionType) *batchv1.Job {
		t.Helper()
		job := &batchv1.Job{ObjectMeta: named(name), Spec: batchv1.JobSpec{
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: containers(name), RestartPolicy: corev1.RestartPolicyNever}},
		}}
		s.create(t, job)
		now := metav1.Now()
		job.Status.StartTime = &now
		for _, c := range conditions {
			if c == batchv1.JobComplete {
				job.Status.CompletionTime = &now
			}
			nextSecond()
			job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
				Type: c, Status: corev1.ConditionTrue, Reason: "Test", LastTransitionTime: now, LastProbeTime: now,
			})
			s.status(t, job, "kube-controller-manager")
		}
		return job
	}
	end("import", batchv1.JobSuccessCriteriaMet, batchv1.JobComplete)
	failed := end("export", batchv1.JobFailureTarget, batchv1.JobFailed)
	failed.Labels["seen"] = "yes" // it failed once, whatever else is changed
	must(t, s.client.Update(s.ctx, failed))
	data := s.await(t, "failed-jobs", map[string]any{
		"type": "dev.posthorn.kubernetes.batch.job.updated", "subject": "demo/export", "actor": "kube-controller-manager",
	})
	if data[0]["name"] != "export" || data[0]["uid"] != string(failed.UID) || data[0]["object"] != nil {
		t.Errorf("the data is %v, want a reference", data[0])
	}
}

func somebodyChangesAConfigMap(t *testing.T, s *sampled) {
	const flux = "kustomize-controller"
	apply := func(data map[string]string) {
		t.Helper()
		must(t, s.client.Apply(s.ctx, applycorev1.ConfigMap("prices", demoNamespace).
			WithLabels(map[string]string{"kustomize.toolkit.fluxcd.io/name": "shop"}).WithData(data),
			client.FieldOwner(flux), client.ForceOwnership))
	}
	apply(map[string]string{"eur": "1"})
	apply(map[string]string{"eur": "2"})
	prices := &corev1.ConfigMap{ObjectMeta: named("prices")}
	other := &corev1.ConfigMap{ObjectMeta: named("not-of-flux"), Data: map[string]string{"eur": "1"}}
	s.create(t, other)
	other.Data["eur"] = "2"
	must(t, s.client.Update(s.ctx, other))
	merge := func(patch string) {
		t.Helper()
		must(t, s.client.Patch(s.ctx, prices, client.RawPatch("application/merge-patch+json", []byte(patch)), client.FieldOwner("kubectl-edit")))
	}
	merge(`{"metadata":{"labels":{"seen":"yes"}}}`)
	nextSecond()
	merge(`{"data":{"eur":"3"}}`)
	nextSecond()
	apply(map[string]string{"eur": "2", "usd": "2"}) // back
	nextSecond()
	merge(`{"data":{"usd":null}}`) // which leaves no trace of who it was
	told := func(changed string) map[string]any {
		return map[string]any{"type": "dev.posthorn.kubernetes.core.configmap.updated", "subject": "demo/prices", "changed": changed}
	}
	edited := told("/data/eur")
	edited["actor"] = "kubectl-edit"
	data := s.await(t, "changed-configmaps", edited, told("/data/usd"))
	for i, want := range []map[string]any{
		{"op": "replace", "path": "/data/eur", "value": "3"}, {"op": "remove", "path": "/data/usd"},
	} {
		patch, _ := data[i]["patch"].([]any)
		if !slices.ContainsFunc(patch, func(one any) bool { return fmt.Sprint(one) == fmt.Sprint(want) }) {
			t.Errorf("the patch is %v, want it to have %v", patch, want)
		}
	}
	nextSecond()
	apply(map[string]string{"eur": "2"}) // as it should be
	nextSecond()
	apply(map[string]string{}) // with nothing, which leaves a trace, since it applies
}

func certificateIsNotRenewed(t *testing.T, s *sampled) {
	certificate := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
		"metadata": map[string]any{"namespace": demoNamespace, "name": "shop-tls"},
		"spec":     map[string]any{"secretName": "shop-tls", "issuerRef": map[string]any{"name": "letsencrypt"}},
	}}
	expires := "2027-01-01T00:00:00Z"
	is := func(attempts int64, conditions ...any) {
		t.Helper()
		status := map[string]any{"conditions": conditions, "notAfter": expires}
		if attempts > 0 {
			status["failedIssuanceAttempts"] = attempts
		}
		certificate.Object["status"] = status
		s.status(t, certificate, "cert-manager-certificates-issuing")
	}
	condition := func(kind, status, reason string) any {
		return map[string]any{"type": kind, "status": status, "reason": reason}
	}
	ready := condition("Ready", "True", "Ready")
	s.create(t, certificate)
	is(0, ready)
	is(0, ready, condition("Issuing", "True", "Renewing")) // and renewed at once
	is(0, ready)
	begun := time.Now()
	is(0, ready, condition("Issuing", "True", "Renewing"))
	is(1, ready, condition("Issuing", "False", "Failed"))
	is(1, ready, condition("Issuing", "True", "Renewing"))
	held := map[string]any{"type": "dev.posthorn.kubernetes.cert-manager.io.certificate.updated", "subject": "demo/shop-tls"}
	data := s.await(t, "expiring-certificates", held)
	if took := time.Since(begun); took < hold {
		t.Errorf("it was told after %s", took)
	}
	if got := at(t, data[0], "object", "status", "notAfter"); got != expires {
		t.Errorf("the certificate expires %v", got)
	}
	nextSecond()
	expires = "2027-04-01T00:00:00Z" // it was renewed
	is(0, ready)
	s.await(t, "expiring-certificates", held, map[string]any{
		"type": "dev.posthorn.kubernetes.cert-manager.io.certificate.updated.recovered", "subject": "demo/shop-tls",
		"actor": "cert-manager-certificates-issuing",
	})
}

func podRunsOutOfMemory(t *testing.T, s *sampled) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
	terminated := func(reason string, code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}}
	}
	start := func(name string, policy corev1.RestartPolicy) *corev1.Pod {
		t.Helper()
		pod := &corev1.Pod{ObjectMeta: named(name), Spec: corev1.PodSpec{Containers: containers(name), RestartPolicy: policy}}
		s.create(t, pod)
		return pod
	}
	is := func(pod *corev1.Pod, phase corev1.PodPhase, restarts int32, state, last corev1.ContainerState) {
		t.Helper()
		pod.Status = corev1.PodStatus{Phase: phase, ContainerStatuses: []corev1.ContainerStatus{{
			Name: pod.Name, Image: pod.Spec.Containers[0].Image, RestartCount: restarts, State: state, LastTerminationState: last,
		}}}
		s.status(t, pod, "kubelet")
	}
	none := corev1.ContainerState{}
	crashing := start("crashing", corev1.RestartPolicyAlways)
	is(crashing, corev1.PodRunning, 0, running, none)
	is(crashing, corev1.PodRunning, 1, running, terminated("Error", 1))
	hungry := start("hungry", corev1.RestartPolicyAlways)
	is(hungry, corev1.PodRunning, 0, running, none)
	is(hungry, corev1.PodRunning, 0, terminated("OOMKilled", 137), none)
	nextSecond()
	is(hungry, corev1.PodRunning, 1, running, terminated("OOMKilled", 137))
	hungry.Labels["seen"] = "yes"
	must(t, s.client.Update(s.ctx, hungry))
	once := start("once", corev1.RestartPolicyNever)
	is(once, corev1.PodRunning, 0, running, none)
	nextSecond()
	is(once, corev1.PodFailed, 0, terminated("OOMKilled", 137), none)
	killed := func(name string) map[string]any {
		return map[string]any{"type": "dev.posthorn.kubernetes.core.pod.updated", "subject": "demo/" + name, "actor": "kubelet"}
	}
	data := s.await(t, "oom-killed-pods", killed("hungry"), killed("once"))
	if got := at(t, data[0], "object", "status", "containerStatuses", 0, "restartCount"); got != 1.0 {
		t.Errorf("it was restarted %v times, want once", got)
	}
	if got := at(t, data[1], "object", "spec", "containers", 0); at(t, got, "name") != "once" || at(t, got, "env") != nil {
		t.Errorf("the container is %v, want it without env", got)
	}
}

func kubernetesWarns(t *testing.T, s *sampled) {
	record := func(name, kind, reason, about string) *eventsv1.Event {
		t.Helper()
		e := &eventsv1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: demoNamespace, Name: name}, Type: kind, Reason: reason, Action: "Test", Note: reason + " of " + about,
			EventTime: metav1.NowMicro(), ReportingController: "kubelet", ReportingInstance: "node-1",
			Regarding: corev1.ObjectReference{APIVersion: "v1", Kind: about, Namespace: demoNamespace, Name: "shop-1"},
		}
		s.create(t, e, client.FieldOwner("kubelet"))
		return e
	}
	record("started", "Normal", "Started", "Pod")
	record("missing", "Warning", "FailedCreate", "ReplicaSet")
	record("probe", "Warning", "Unhealthy", "Pod")
	backOff := record("back-off", "Warning", "BackOff", "Pod")
	backOff.Series = &eventsv1.EventSeries{Count: 2, LastObservedTime: metav1.NowMicro()}
	must(t, s.client.Update(s.ctx, backOff, client.FieldOwner("kubelet")))
	data := s.await(t, "warnings", map[string]any{
		"type": "dev.posthorn.kubernetes.events.k8s.io.event.created", "subject": "demo/back-off", "actor": "kubelet",
		"reason": "BackOff", "kubernetestype": "Warning", "regardingkind": "Pod", "regardingname": "shop-1",
	})
	if got := at(t, data[0], "object", "note"); got != "BackOff of Pod" {
		t.Errorf("the note is %v", got)
	}
}
