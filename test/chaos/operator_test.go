// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// TestOperator_KilledLeavesNoOrphanAndLosesNoKey kills the operator at random moments while endpoints are
// created, rotated and deleted. OPERATOR_CHANGES sets how many changes there are.
func TestOperator_KilledLeavesNoOrphanAndLosesNoKey(t *testing.T) {
	changes := fromEnvironment(t, "OPERATOR_CHANGES", 40)
	ctx := within(t, 5*time.Minute)
	random := dice(t)
	namespace, _, err := posthorn.Tenant(ctx)
	must(t, err)
	keys := watchKeys(ctx, t, namespace)
	o := startOperator(t, nil)

	killing, stop := context.WithCancel(ctx)
	var killer sync.WaitGroup
	kills := 0
	killer.Go(func() {
		for killing.Err() == nil {
			pause(killing, time.Duration(random.Int64N(int64(1500*time.Millisecond))))
			o.Kill()
			kills++
			if err := o.Start(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	alive := map[string]bool{}
	dead := map[string]bool{}
	order := rand.New(rand.NewPCG(random.Uint64(), 0)) // the killer has the other
	for n := range changes {
		names := slices.Sorted(maps.Keys(alive))
		pause(ctx, time.Duration(order.Int64N(int64(60*time.Millisecond))))
		switch which := order.IntN(3); {
		case which == 0 || len(names) == 0:
			name := fmt.Sprintf("e%03d", n)
			must(t, posthorn.Admin.Create(ctx, ownKeyEndpoint(namespace, name)))
			alive[name] = true
		case which == 1:
			must(t, annotate(ctx, namespace, names[order.IntN(len(names))], fmt.Sprint(n)))
		default:
			name := names[order.IntN(len(names))]
			must(t, client.IgnoreNotFound(posthorn.Admin.Delete(ctx, ownKeyEndpoint(namespace, name))))
			delete(alive, name)
			dead[name] = true
		}
	}
	stop()
	killer.Wait()
	must(t, platform.Await(ctx, "every endpoint has its Secrets, and no other is left", func(ctx context.Context) error {
		return checkSecrets(ctx, namespace, alive)
	}))
	t.Logf("%d changes, %d kills: %d endpoints are left, %d were deleted, %d versions of keys were seen", changes, kills, len(alive), len(dead), keys.count())
	if lost := keys.lostKeys(); len(lost) > 0 {
		t.Errorf("keys that went without an overlap: %v", lost)
	}
}

// ownKeyEndpoint is an endpoint whose signing key goes with it.
func ownKeyEndpoint(namespace, name string) *hookv1.WebhookEndpoint {
	return &hookv1.WebhookEndpoint{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: hookv1.WebhookEndpointSpec{
			URL: "https://example.com/hooks", Signing: &hookv1.Signing{DeletionPolicy: hookv1.DeletionPolicyDelete},
		},
	}
}

// annotate asks for a rotation.
func annotate(ctx context.Context, namespace, name, value string) error {
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, hookv1.AnnotationRotate, value)
	return posthorn.Admin.Patch(ctx, ownKeyEndpoint(namespace, name), client.RawPatch("application/merge-patch+json", patch))
}

// checkSecrets returns an error unless each endpoint has one Secret with its key and one for the dispatcher
// that holds it, and there are no others.
func checkSecrets(ctx context.Context, namespace string, alive map[string]bool) error {
	var signing, credentials corev1.SecretList
	err := errors.Join(posthorn.Admin.List(ctx, &signing, client.InNamespace(namespace)),
		posthorn.Admin.List(ctx, &credentials, client.InNamespace(platform.Namespace)))
	if err != nil {
		return fmt.Errorf("list Secrets: %w", err)
	}
	current := map[string]string{}
	for _, s := range signing.Items {
		current[s.Name] = string(s.Data[hookv1.SecretKeyCurrent])
	}
	if len(current) != len(alive) {
		return fmt.Errorf("%d signing Secrets for %d endpoints", len(current), len(alive))
	}
	found := 0
	for _, s := range credentials.Items {
		if s.Type != hookv1.SecretTypeEndpointCredentials {
			continue
		}
		c, err := compile.ParseCredentials(s.Data[compile.CredentialsKey])
		if err != nil {
			return fmt.Errorf("read Secret %s: %w", s.Name, err)
		}
		if c.Endpoint.Namespace != namespace {
			continue
		}
		found++
		key, ok := current[c.Endpoint.Name+"-signing"]
		switch {
		case !alive[c.Endpoint.Name] || !ok:
			return fmt.Errorf("Secret %s is an orphan of %s", s.Name, c.Endpoint.Name)
		case len(c.SigningKeys) == 0 || c.SigningKeys[0] != key:
			return fmt.Errorf("Secret %s does not hold the current key of %s", s.Name, c.Endpoint.Name)
		}
	}
	if found != len(alive) {
		return fmt.Errorf("%d Secrets for the dispatcher, of %d endpoints", found, len(alive))
	}
	return nil
}

// keyWatch sees every version of the signing Secrets of a namespace.
type keyWatch struct {
	mu       sync.Mutex
	current  map[string]string
	versions int
	lost     []string
}

// watchKeys begins to watch, until the context ends.
func watchKeys(ctx context.Context, t *testing.T, namespace string) *keyWatch {
	t.Helper()
	clients, err := kubernetes.NewForConfig(posthorn.Plane.Config())
	must(t, err)
	events, err := clients.CoreV1().Secrets(namespace).Watch(ctx, metav1.ListOptions{})
	must(t, err)
	t.Cleanup(events.Stop)
	k := &keyWatch{current: map[string]string{}}
	go func() {
		for e := range events.ResultChan() {
			if s, ok := e.Object.(*corev1.Secret); ok {
				k.see(e.Type, s)
			}
		}
	}()
	return k
}

// see notes one version. A new current key must leave the one before as the previous one, so that requests are
// signed with both for a while.
func (k *keyWatch) see(event watch.EventType, s *corev1.Secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if event == watch.Deleted {
		delete(k.current, s.Name)
		return
	}
	k.versions++
	now, previous := string(s.Data[hookv1.SecretKeyCurrent]), string(s.Data[hookv1.SecretKeyPrevious])
	if before, known := k.current[s.Name]; known && before != now && before != previous {
		k.lost = append(k.lost, s.Name)
	}
	k.current[s.Name] = now
}

func (k *keyWatch) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.versions
}

func (k *keyWatch) lostKeys() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lost
}
