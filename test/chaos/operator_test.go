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
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
	"github.com/posthorn-dev/posthorn/internal/testkit/platform"
)

// steady is an endpoint that lives through the whole of a test.
const steady = "steady"

// TestOperator_KilledLeavesNoOrphanAndLosesNoKey kills the operator at random moments while endpoints are
// created, rotated and deleted. OPERATOR_CHANGES sets how many changes there are at least; there are more when
// the operator was not yet killed once in 20 of them.
func TestOperator_KilledLeavesNoOrphanAndLosesNoKey(t *testing.T) {
	changes := fromEnvironment(t, "OPERATOR_CHANGES", 40)
	ctx := within(t, 5*time.Minute)
	random := dice(t)
	order := rand.New(rand.NewPCG(random.Uint64(), 0)) // of the changes; the killer has the other
	namespace, _, err := posthorn.Tenant(ctx)
	must(t, err)
	keys := watchKeys(ctx, t, namespace)
	o := startOperator(t, nil)
	must(t, posthorn.Admin.Create(ctx, ownKeyEndpoint(namespace, steady)))
	must(t, platform.Await(ctx, "the first endpoint has a key", func(ctx context.Context) error {
		_, err := posthorn.SigningKey(ctx, namespace, steady)
		return err
	}))

	killing, stop := context.WithCancel(ctx)
	var killer sync.WaitGroup
	var kills atomic.Int64
	killer.Go(func() {
		for killing.Err() == nil {
			pause(killing, time.Duration(random.Int64N(int64(1500*time.Millisecond))))
			o.Kill()
			kills.Add(1)
			if err := o.Start(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	alive := map[string]bool{steady: true}
	made, dead := 1, 0
	n := 0
	for ; n < changes || kills.Load() < int64(changes/20) && !t.Failed(); n++ {
		names := slices.Sorted(maps.Keys(alive))
		name := names[order.IntN(len(names))]
		pause(ctx, time.Duration(order.Int64N(int64(60*time.Millisecond))))
		switch order.IntN(3) {
		case 0:
			name = fmt.Sprintf("e%03d", n)
			must(t, posthorn.Admin.Create(ctx, ownKeyEndpoint(namespace, name)))
			alive[name] = true
			made++
		case 1:
			must(t, annotate(ctx, namespace, name, fmt.Sprint(n)))
		default:
			if name == steady {
				continue
			}
			must(t, client.IgnoreNotFound(posthorn.Admin.Delete(ctx, ownKeyEndpoint(namespace, name))))
			delete(alive, name)
			dead++
		}
	}
	must(t, annotate(ctx, namespace, steady, "last"))
	stop()
	killer.Wait()
	must(t, platform.Await(ctx, "every endpoint has its Secrets, and no other is left", func(ctx context.Context) error {
		return errors.Join(checkSecrets(ctx, namespace, alive), checkHandled(ctx, namespace, steady, "last"))
	}))
	must(t, platform.Await(ctx, "the watch has seen the keys that there are", func(ctx context.Context) error {
		return keys.check(ctx, namespace)
	}))
	seen := keys.counts()
	t.Logf("%d changes, %d kills: of %d endpoints, %d were deleted and %d are left; keys of %d were seen, and %d replaced",
		n, kills.Load(), made, dead, len(alive), seen.first, seen.replaced)
	if seen.first < len(alive) || seen.first > made {
		t.Errorf("the watch saw %d Secrets, of %d endpoints of which %d are left", seen.first, made, len(alive))
	}
	if seen.replaced < 1 {
		t.Error("the watch saw no key replaced")
	}
	if len(seen.lost) > 0 {
		t.Errorf("keys that went without an overlap: %v", seen.lost)
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

// checkHandled returns an error unless an endpoint's rotation was acted on.
func checkHandled(ctx context.Context, namespace, name, value string) error {
	endpoint := ownKeyEndpoint(namespace, name)
	if err := posthorn.Admin.Get(ctx, client.ObjectKeyFromObject(endpoint), endpoint); err != nil {
		return fmt.Errorf("read endpoint %s: %w", name, err)
	}
	if got := endpoint.Status.LastHandledRotate; got != value {
		return fmt.Errorf("the rotation %q of %s was acted on last, want %q", got, name, value)
	}
	return nil
}

// keyWatch sees every version of the signing Secrets of a namespace.
type keyWatch struct {
	mu      sync.Mutex
	current map[string]string
	keyCounts
}

// keyCounts are what a keyWatch has seen: Secrets that were new, keys that took the place of others, and the
// Secrets of which a key went without an overlap.
type keyCounts struct {
	first, replaced int
	lost            []string
}

// watchKeys begins to watch, until the context ends. A watch that is closed goes on where it was.
func watchKeys(ctx context.Context, t *testing.T, namespace string) *keyWatch {
	t.Helper()
	clients, err := kubernetes.NewForConfig(posthorn.Plane.Config())
	must(t, err)
	secrets := clients.CoreV1().Secrets(namespace)
	before, err := secrets.List(ctx, metav1.ListOptions{})
	must(t, err)
	events, err := watchtools.NewRetryWatcherWithContext(ctx, before.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: secrets.Watch,
	})
	must(t, err)
	k := &keyWatch{current: map[string]string{}}
	var watching sync.WaitGroup
	watching.Go(func() {
		for e := range events.ResultChan() {
			switch o := e.Object.(type) {
			case *corev1.Secret:
				k.see(e.Type, o)
			default:
				t.Errorf("the watch for keys ended with %s: %v", e.Type, o)
			}
		}
	})
	t.Cleanup(func() {
		events.Stop()
		watching.Wait()
	})
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
	now, previous := string(s.Data[hookv1.SecretKeyCurrent]), string(s.Data[hookv1.SecretKeyPrevious])
	before, known := k.current[s.Name]
	switch {
	case !known:
		k.first++
	case before != now:
		k.replaced++
		if before != previous {
			k.lost = append(k.lost, s.Name)
		}
	}
	k.current[s.Name] = now
}

// check returns an error unless the watch has seen the keys as they are.
func (k *keyWatch) check(ctx context.Context, namespace string) error {
	var list corev1.SecretList
	if err := posthorn.Admin.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return fmt.Errorf("list Secrets: %w", err)
	}
	now := map[string]string{}
	for _, s := range list.Items {
		now[s.Name] = string(s.Data[hookv1.SecretKeyCurrent])
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !maps.Equal(now, k.current) {
		return fmt.Errorf("the watch knows %d Secrets, and there are %d, or with other keys", len(k.current), len(now))
	}
	return nil
}

// counts are what was seen so far.
func (k *keyWatch) counts() keyCounts {
	k.mu.Lock()
	defer k.mu.Unlock()
	return keyCounts{first: k.first, replaced: k.replaced, lost: slices.Clone(k.lost)}
}
