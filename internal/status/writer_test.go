// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/breaker"
	"github.com/posthorn-dev/posthorn/internal/delivery"
)

// written is one write that reached the sink.
type written struct {
	at    time.Duration
	key   key
	uid   string
	state *state
}

// recordingSink takes writes and notes when they came. refuse decides on their fate; nil takes all.
type recordingSink struct {
	mu     sync.Mutex
	start  time.Time
	writes []written
	tries  int
	refuse func(key) error
}

func (s *recordingSink) apply(_ context.Context, k key, uid string, st *state) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries++
	if s.refuse != nil {
		if err := s.refuse(k); err != nil {
			return err
		}
	}
	s.writes = append(s.writes, written{time.Since(s.start), k, uid, st})
	return nil
}

// setRefuse changes the fate of the writes to come.
func (s *recordingSink) setRefuse(refuse func(key) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// take returns the writes so far and forgets them.
func (s *recordingSink) take() []written {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.writes
	s.writes = nil
	return w
}

// storedObjects is what the informers hold.
type storedObjects struct {
	client.Reader
	endpoints map[delivery.Name]*hookv1.WebhookEndpoint
	sources   map[delivery.Name]*hookv1.WebhookEventSource
}

// Get copies an endpoint or an event source that is held.
func (s storedObjects) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch obj := into.(type) {
	case *hookv1.WebhookEndpoint:
		if held := s.endpoints[delivery.Name(name)]; held != nil {
			held.DeepCopyInto(obj)
			return nil
		}
	case *hookv1.WebhookEventSource:
		if held := s.sources[delivery.Name(name)]; held != nil {
			held.DeepCopyInto(obj)
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, name.Name)
}

// bench is a Writer that runs on a sink and a recorder of the test, in a bubble of synctest.
type bench struct {
	*Writer
	sink     *recordingSink
	recorder *events.FakeRecorder
}

// run starts a Writer and calls the test with it; the clock is synctest's.
func run(t *testing.T, stored storedObjects, test func(*testing.T, *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{sink: &recordingSink{start: time.Now()}, recorder: events.NewFakeRecorder(100_000)}
		b.Writer = newWriter(slog.New(slog.DiscardHandler), stored, b.sink, b.recorder)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		test(t, b)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// after lets that much time pass and everything come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// endpointNumber returns the facts of one endpoint of many, ten to a namespace.
func endpointNumber(i int) EndpointFacts {
	f := healthy()
	f.Name = delivery.Name{Namespace: fmt.Sprintf("team-%d", i/10), Name: fmt.Sprintf("endpoint-%d", i)}
	f.Circuit.Since = time.Now()
	return f
}

// route pushes n endpoints and waits until all are written.
func (b *bench) route(t *testing.T, n int) []EndpointFacts {
	t.Helper()
	all := make([]EndpointFacts, n)
	for i := range all {
		all[i] = endpointNumber(i)
		b.UpdateEndpoint(all[i])
	}
	after(time.Duration(n)*time.Second/routedPerSecond + 10*time.Second)
	if got := len(b.sink.take()); got != n {
		t.Fatalf("%d writes for %d new endpoints", got, n)
	}
	return all
}

func TestWriter_TenThousandNewEndpointsTakeFiftySeconds(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		const n = 10_000
		for i := range n {
			b.UpdateEndpoint(endpointNumber(i))
		}
		after(25 * time.Second)
		half := len(b.sink.take())
		if want := 25 * routedPerSecond; half < want-1 || half > want+1 {
			t.Errorf("%d writes in 25 s, want %d", half, want)
		}
		after(26 * time.Second)
		if rest := len(b.sink.take()); half+rest != n {
			t.Errorf("%d writes in all, want %d", half+rest, n)
		}
		after(time.Hour)
		if idle := b.sink.take(); len(idle) != 0 {
			t.Errorf("%d writes while idle", len(idle))
		}
	})
}

func TestWriter_AMassOutageHoldsUpNoNewTenant(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		all := b.route(t, 10_000)
		for i := range all {
			// All circuits of 999 namespaces open; the last namespace is well.
			if i < 9_990 {
				all[i].Circuit = breaker.Snapshot{State: breaker.Open, Since: time.Now(), NextProbe: time.Now().Add(30 * time.Second)}
				b.UpdateEndpoint(all[i])
			}
		}
		after(10 * time.Second)
		if got := len(b.sink.take()); got < 10*othersPerSecond-1 || got > 10*othersPerSecond+1 {
			t.Errorf("%d writes in 10 s, want the budget of %d", got, 10*othersPerSecond)
		}

		b.sink.start = time.Now()
		newcomer := healthy()
		newcomer.Name.Namespace = "newcomer"
		b.UpdateEndpoint(newcomer)
		after(time.Second)
		found := false
		for _, w := range b.sink.take() {
			if w.key.name == newcomer.Name {
				found = true
				if w.at > 20*time.Millisecond {
					t.Errorf("Routed of a new tenant waited %s", w.at)
				}
			}
		}
		if !found {
			t.Error("a new tenant is not told that it is routed")
		}
	})
}

func TestWriter_NamespacesTakeTurns(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		open := func(f EndpointFacts) EndpointFacts {
			f.Circuit = breaker.Snapshot{State: breaker.Open, Since: time.Now(), NextProbe: time.Now().Add(30 * time.Second)}
			return f
		}
		var many []EndpointFacts
		for i := range 1000 {
			f := endpointNumber(i)
			f.Name.Namespace = "many"
			many = append(many, f)
			b.UpdateEndpoint(f)
		}
		few := healthy()
		few.Name.Namespace = "few"
		b.UpdateEndpoint(few)
		after(20 * time.Second)
		b.sink.take()
		for _, f := range many {
			b.UpdateEndpoint(open(f))
		}
		after(time.Second)
		b.sink.take()
		b.sink.start = time.Now()
		b.UpdateEndpoint(open(few))
		after(time.Second)
		for i, w := range b.sink.take() {
			if w.key.name.Namespace == "few" {
				if i > 1 {
					t.Errorf("the other namespace came first %d times", i)
				}
				return
			}
		}
		t.Error("the smaller namespace had no turn within a second")
	})
}

func TestWriter_BusyObjectsStayWithinTheBudget(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		all := b.route(t, 10_000)
		b.sink.start = time.Now()
		for range 30 {
			for i := range all {
				all[i].Counts.Delivered++
				b.UpdateEndpoint(all[i])
			}
			after(time.Second)
		}
		writes := b.sink.take()
		if want := 30 * othersPerSecond; len(writes) < want-1 || len(writes) > want+1 {
			t.Errorf("%d writes in 30 s, want %d", len(writes), want)
		}
		last := map[key]time.Duration{}
		for _, w := range writes {
			if before, ok := last[w.key]; ok && w.at-before < counterInterval {
				t.Errorf("%v written again after %s", w.key, w.at-before)
			}
			last[w.key] = w.at
		}
	})
}

func TestWriter_CountersOfOneObjectAreWrittenEveryTenSeconds(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		f := b.route(t, 1)[0]
		b.sink.start = time.Now()
		for range 35 {
			f.Counts.Delivered++
			b.UpdateEndpoint(f)
			after(time.Second)
		}
		after(time.Minute)
		var times []time.Duration
		for _, w := range b.sink.take() {
			times = append(times, w.at)
		}
		want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second, 40 * time.Second}
		if diff := cmp.Diff(want, times); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestWriter_AConditionDoesNotWaitForTheCounters(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		f := b.route(t, 1)[0]
		f.Counts.Delivered++
		b.UpdateEndpoint(f)
		after(time.Second)
		b.sink.take()
		b.sink.start = time.Now()
		f.Counts.FailedAttempts++
		b.UpdateEndpoint(f)
		after(time.Second)
		f.Circuit = breaker.Snapshot{State: breaker.Open, Since: time.Now(), NextProbe: time.Now().Add(30 * time.Second)}
		b.UpdateEndpoint(f)
		after(30 * time.Second)
		got := b.sink.take()
		if len(got) != 1 || got[0].at != time.Second || *got[0].state.Deliveries.FailedAttempts != 1 {
			t.Errorf("got %d writes, want one at 1s with the counters in it", len(got))
		}
	})
}

func TestWriter_ARestartWritesNothing(t *testing.T) {
	t.Parallel()
	f := healthy()
	f.Counts = Counts{Delivered: 3, LastSuccess: noon}
	stored := &hookv1.WebhookEndpoint{Status: f.wanted(&state{}, noon).endpointStatus()}
	stored.UID = types.UID(f.UID)
	// The operator's part is none of the dispatcher's business.
	stored.Status.Host = "billing.example.com"
	run(t, storedObjects{endpoints: map[delivery.Name]*hookv1.WebhookEndpoint{f.Name: stored}}, func(t *testing.T, b *bench) {
		b.UpdateEndpoint(f)
		after(time.Hour)
		if got := b.sink.take(); len(got) != 0 {
			t.Errorf("%d writes after a restart", len(got))
		}
	})
}

func TestWriter_ANewObjectOfTheNameStartsAfresh(t *testing.T) {
	t.Parallel()
	f := healthy()
	stored := &hookv1.WebhookEndpoint{Status: f.wanted(&state{}, noon).endpointStatus()}
	stored.UID = "uid-0"
	run(t, storedObjects{endpoints: map[delivery.Name]*hookv1.WebhookEndpoint{f.Name: stored}}, func(t *testing.T, b *bench) {
		b.UpdateEndpoint(f)
		after(time.Second)
		got := b.sink.take()
		if len(got) != 1 || got[0].uid != "uid-1" {
			t.Fatalf("got %v", got)
		}
		if at := got[0].state.condition(hookv1.ConditionRouted).LastTransitionTime; at.Time.Equal(noon) {
			t.Error("the new object has the times of the old one")
		}
	})
}

func TestWriter_WaitsForNewFactsWhenTheObjectIsAnotherOne(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		b.sink.setRefuse(func(key) error { return errOtherObject })
		f := healthy()
		b.UpdateEndpoint(f)
		after(time.Hour)
		if b.sink.tries != 1 {
			t.Errorf("%d tries, want 1", b.sink.tries)
		}
		b.sink.setRefuse(nil)
		f.UID = "uid-2"
		b.UpdateEndpoint(f)
		after(time.Second)
		if got := b.sink.take(); len(got) != 1 || got[0].uid != "uid-2" {
			t.Errorf("got %v", got)
		}
	})
}

func TestWriter_ForgetsWhatIsGone(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		b.sink.setRefuse(func(k key) error {
			return apierrors.NewNotFound(schema.GroupResource{}, k.name.Name)
		})
		b.UpdateEndpoint(healthy())
		after(time.Hour)
		if b.sink.tries != 1 || len(b.board.entries) != 0 {
			t.Errorf("%d tries, %d entries, want 1 and none", b.sink.tries, len(b.board.entries))
		}
		b.sink.setRefuse(nil)
		f := delivering()
		b.UpdateSubscription(f)
		b.ForgetSubscription(f.Name)
		b.ForgetEndpoint(healthy().Name)
		after(time.Hour)
		if got := b.sink.take(); len(got) != 0 {
			t.Errorf("%d writes of what was forgotten", len(got))
		}
	})
}

func TestWriter_AnOutageIsWaitedOutAndMadeUpFor(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"no connection":     errors.New("connection refused"),
		"too many requests": apierrors.NewTooManyRequests("slow down", 2),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, storedObjects{}, func(t *testing.T, b *bench) {
				b.sink.setRefuse(func(key) error { return failure })
				const n = 1000
				for i := range n {
					b.UpdateEndpoint(endpointNumber(i))
				}
				after(5 * time.Minute)
				if b.sink.tries > 100 {
					t.Errorf("%d tries in 5 minutes of outage", b.sink.tries)
				}
				b.sink.setRefuse(nil)
				after(maxOutageWait + n*time.Second/routedPerSecond + time.Second)
				if got := len(b.sink.take()); got != n {
					t.Errorf("%d of %d were made up for", got, n)
				}
			})
		})
	}
}

func TestWriter_OneObjectThatIsRefusedHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{
		"a conflict": apierrors.NewConflict(schema.GroupResource{}, "x", errors.New("owned by posthorn-operator")),
		"invalid":    apierrors.NewInvalid(schema.GroupKind{}, "x", nil),
		"a policy":   apierrors.NewForbidden(schema.GroupResource{}, "x", errors.New("denied by an admission webhook")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, storedObjects{}, func(t *testing.T, b *bench) {
				bad := endpointNumber(0).Name
				b.sink.setRefuse(func(k key) error {
					if k.name == bad {
						return failure
					}
					return nil
				})
				for i := range 100 {
					b.UpdateEndpoint(endpointNumber(i))
				}
				after(time.Second)
				if got := len(b.sink.take()); got != 99 {
					t.Errorf("%d writes beside the one that is refused, want 99", got)
				}
				after(time.Hour)
				if tries := b.sink.tries - 99; tries < 10 || tries > 30 {
					t.Errorf("%d tries in an hour", tries)
				}
				b.sink.setRefuse(nil)
				after(maxObjectWait)
				if got := b.sink.take(); len(got) != 1 || got[0].key.name != bad {
					t.Errorf("got %d writes, want the one that was refused", len(got))
				}
			})
		})
	}
}

// told returns the Kubernetes Events so far.
func (b *bench) told() []string {
	var out []string
	for {
		select {
		case e := <-b.recorder.Events:
			kind, _, _ := strings.Cut(e, " WebhookEndpoint")
			kind, _, _ = strings.Cut(kind, " The circuit")
			kind, _, _ = strings.Cut(kind, " WebhookEventSource")
			out = append(out, kind)
		default:
			return out
		}
	}
}

func TestWriter_TellsOfTransitionsOnly(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		f := b.route(t, 1)[0]
		for _, step := range []struct {
			what   string
			change func()
			want   []string
		}{
			{"nothing", func() {}, nil},
			{"open", func() { f.Circuit.State = breaker.Open }, []string{"Warning CircuitOpen"}},
			{"another failure", func() { f.Circuit.ConsecutiveFailures++ }, nil},
			{"half open", func() { f.Circuit.State = breaker.HalfOpen }, nil},
			{"open again", func() { f.Circuit.State = breaker.Open }, nil},
			{"closed", func() { f.Circuit.State = breaker.Closed }, []string{"Normal CircuitClosed Requests to"}},
			{"disabled", func() { f.DisabledSince, f.DisabledReason = noon, DisabledGone }, []string{"Warning EndpointDisabled"}},
			{"enabled", func() { f.DisabledSince = time.Time{} }, []string{"Normal EndpointEnabled"}},
			{"a new generation", func() { f.Generation++ }, nil},
		} {
			step.change()
			b.UpdateEndpoint(f)
			after(time.Minute)
			if diff := cmp.Diff(step.want, b.told()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.what, diff)
			}
		}
	})
}

func TestWriter_TellsOfWatchesThatStopAndGoOn(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		f := watching()
		stalled := Verdict{Known: true, Reason: hookv1.ReasonWatchStalled, Message: "The watch of Pod does not go on: no route."}
		relisting := Verdict{Known: true, Reason: hookv1.ReasonRelisting, Message: "A list of Pod is being compared."}
		gap := Verdict{Known: true, Reason: hookv1.ReasonGapUnrecoverable, Message: "The cluster has forgotten. The source goes on."}
		denied := Verdict{Known: true, Reason: hookv1.ReasonForbidden, Message: "A right is missing."}
		for _, step := range []struct {
			what    string
			verdict Verdict
			want    []string
		}{
			{"well at first", f.Watching, nil},
			{"stalled", stalled, []string{"Warning WatchStalled The watch of Pod does not go on: no route. This has been so since 2000-01-01T00:01:00Z."}},
			{"comparing", relisting, nil},
			{"stalled again", stalled, nil},
			{"comparing again", relisting, nil},
			{"well", f.Watching, []string{"Normal WatchResumed"}},
			{"comparing without having stalled", relisting, nil},
			{"well again", f.Watching, nil},
			{"a right is missing, of which the operator tells", denied, nil},
			{"the right is back", f.Watching, nil},
			{"stalled for long", stalled, []string{"Warning WatchStalled The watch of Pod does not go on: no route. This has been so since 2000-01-01T00:10:00Z."}},
			{"back with a gap", gap, []string{
				"Normal WatchResumed",
				"Warning GapUnrecoverable The cluster has forgotten. The source goes on.",
			}},
			{"the gap is shown no longer", f.Watching, nil},
		} {
			f.Watching = step.verdict
			b.UpdateSource(f)
			after(time.Minute)
			if diff := cmp.Diff(step.want, b.told()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.what, diff)
			}
		}
	})
}

func TestWriter_TellsThatAWatchGoesOnWhichStalledBeforeARestart(t *testing.T) {
	t.Parallel()
	f := watching()
	f.Watching = Verdict{Known: true, Reason: hookv1.ReasonWatchStalled, Message: "The watch of Pod does not go on."}
	stored := &hookv1.WebhookEventSource{Status: f.wanted(&state{}, noon).sourceStatus()}
	stored.UID = types.UID(f.UID)
	run(t, storedObjects{sources: map[delivery.Name]*hookv1.WebhookEventSource{f.Name: stored}}, func(t *testing.T, b *bench) {
		for _, step := range []struct {
			verdict Verdict
			want    []string
		}{
			{Verdict{Known: true, Reason: hookv1.ReasonLoading, Message: "It is being looked at."}, nil},
			{watching().Watching, []string{"Normal WatchResumed"}},
		} {
			f.Watching = step.verdict
			b.UpdateSource(f)
			after(time.Minute)
			if diff := cmp.Diff(step.want, b.told()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step.verdict.Reason, diff)
			}
		}
	})
}

func TestWriter_TellsOfDeadLettersEveryTenMinutes(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		f := delivering()
		b.UpdateSubscription(f)
		after(time.Minute)
		for range 60 {
			f.Counts.DeadLettered++
			b.UpdateSubscription(f)
			after(20 * time.Second)
		}
		if got := b.told(); len(got) != 2 {
			t.Errorf("got %d Kubernetes Events in 20 minutes, want 2: %v", len(got), got)
		}
	})
}

func TestWriter_KubernetesEventsAreBounded(t *testing.T) {
	t.Parallel()
	run(t, storedObjects{}, func(t *testing.T, b *bench) {
		var all []EndpointFacts
		for i := range 1000 {
			f := endpointNumber(i)
			f.Name.Namespace = "one"
			all = append(all, f)
			b.UpdateEndpoint(f)
		}
		after(time.Minute)
		for _, f := range all {
			f.Circuit.State = breaker.Open
			b.UpdateEndpoint(f)
		}
		after(10 * time.Minute)
		if got := len(b.told()); got < maxNoticesPerNamespace || got > maxNoticesPerNamespace+10 {
			t.Errorf("%d Kubernetes Events, want about %d", got, maxNoticesPerNamespace)
		}
	})
}
