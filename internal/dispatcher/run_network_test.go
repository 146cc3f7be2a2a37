// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/posthorn-dev/posthorn/internal/catalogue"
	"github.com/posthorn-dev/posthorn/internal/config"
	"github.com/posthorn-dev/posthorn/internal/egress"
	"github.com/posthorn-dev/posthorn/internal/routing"
)

var (
	errAway   = errors.New("connection refused")
	errDenied = apierrors.NewForbidden(schema.GroupResource{Resource: "endpointslices"}, "", errors.New("no such right"))
)

// answer is what a reading of a test returns; it may be changed between two.
type answer[T any] struct {
	mu  sync.Mutex
	got []T
	err error
}

// is has the reading return these.
func (a *answer[T]) is(got ...T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got, a.err = got, nil
}

// fails has the reading fail.
func (a *answer[T]) fails(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got, a.err = nil, err
}

func (a *answer[T]) reading(what string) *reading[T] {
	return &reading[T]{what: what, read: func(context.Context) ([]T, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.got, a.err
	}}
}

// fakeNetwork is a network whose readings are a test's.
type fakeNetwork struct {
	*network
	endpoints answer[netip.Addr]
	services  answer[netip.Prefix]
	policy    *egress.Policy
	applied   int
	logged    journal
}

// newFakeNetwork is the network of a platform that lists 10.0.0.0/8 and names 34.0.0.0/8 as the cluster's own, in
// a cluster with the API server 10.1.0.1 and the Services 35.0.0.0/8.
func newFakeNetwork() *fakeNetwork {
	f := &fakeNetwork{}
	f.answers()
	f.network = &network{
		logger: f.logged.logger(),
		rules: egress.Rules{
			Allow:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			Cluster: []netip.Prefix{netip.MustParsePrefix("34.0.0.0/8")},
		},
		apply:     func(p *egress.Policy) { f.policy, f.applied = p, f.applied+1 },
		apiServer: []*reading[netip.Addr]{f.endpoints.reading("endpoints")},
		services:  f.services.reading("ranges"),
		seen:      map[netip.Addr]time.Time{},
		known:     make(chan struct{}),
	}
	return f
}

// answers has all readings work.
func (f *fakeNetwork) answers() {
	f.endpoints.is(netip.MustParseAddr("10.1.0.1"))
	f.services.is(netip.MustParsePrefix("35.0.0.0/8"))
}

// looks reads once, after so long.
func (f *fakeNetwork) looks(t *testing.T, after time.Duration) outcome {
	t.Helper()
	o, err := f.look(t.Context(), time.Unix(1_700_000_000, 0).Add(after))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// judges fails the test unless the policy has these classes of refusals, which are empty where it admits.
func (f *fakeNetwork) judges(t *testing.T, want map[string]egress.Class) {
	t.Helper()
	got := map[string]egress.Class{}
	for addr := range want {
		got[addr] = ""
		if refusal, ok := errors.AsType[*egress.Refusal](f.policy.Check("team-a", []netip.Addr{netip.MustParseAddr(addr)})); ok {
			got[addr] = refusal.Class
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNetwork_RefusesTheAPIServersAndCountsServicesAsPrivate(t *testing.T) {
	t.Parallel()
	f := newFakeNetwork()
	f.looks(t, 0)
	f.judges(t, map[string]egress.Class{
		"10.1.0.1": egress.APIServer, "10.1.0.2": "", "34.1.1.1": egress.Cluster, "35.1.1.1": egress.Cluster, "36.1.1.1": "",
	})
	f.endpoints.is(netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("10.1.0.2"))
	f.looks(t, networkInterval)
	f.judges(t, map[string]egress.Class{"10.1.0.1": egress.APIServer, "10.1.0.2": egress.APIServer})
	f.services.is(netip.MustParsePrefix("36.0.0.0/8"))
	f.looks(t, 2*networkInterval)
	f.judges(t, map[string]egress.Class{"34.1.1.1": egress.Cluster, "35.1.1.1": "", "36.1.1.1": egress.Cluster})
	f.looks(t, 3*networkInterval)
	if f.applied != 3 || len(f.rules.Cluster) != 1 {
		t.Errorf("%d policies were applied, want one a change; the platform's own ranges are %v", f.applied, f.rules.Cluster)
	}
}

func TestNetwork_KeepsWhatIsKnownWhileTheAPIServerIsAway(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"away": errAway, "denied": errDenied} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeNetwork()
			f.looks(t, 0)
			f.endpoints.fails(err)
			f.services.fails(err)
			for after := networkInterval; after < 3*networkMemory; after += networkMemory / 3 {
				if o := f.looks(t, after); o == isRead {
					t.Error("a reading that failed counts as read")
				}
			}
			f.judges(t, map[string]egress.Class{"10.1.0.1": egress.APIServer, "35.1.1.1": egress.Cluster})
			if n := len(f.logged.lines("WARN")); n != 2 || f.applied != 1 {
				t.Errorf("%d warnings and %d policies, want one for each reading and the first policy", n, f.applied)
			}
		})
	}
}

func TestNetwork_RemembersAnAPIServerThatRestarts(t *testing.T) {
	t.Parallel()
	f := newFakeNetwork()
	f.looks(t, 0)
	f.endpoints.is(netip.MustParseAddr("10.1.0.2"))
	f.looks(t, networkMemory)
	f.judges(t, map[string]egress.Class{"10.1.0.1": egress.APIServer, "10.1.0.2": egress.APIServer})
	f.looks(t, networkMemory+networkInterval)
	f.judges(t, map[string]egress.Class{"10.1.0.1": "", "10.1.0.2": egress.APIServer})
}

// isKnown reports whether the first table may be loaded.
func (f *fakeNetwork) isKnown() bool {
	select {
	case <-f.known:
		return true
	default:
		return false
	}
}

func TestNetwork_IsKnownOnceAllWasReadThatMayBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeNetwork()
		f.endpoints.fails(errAway)
		f.services.fails(errDenied)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- f.run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		if f.isKnown() {
			t.Error("it counts as known while the API server is away")
		}
		f.endpoints.fails(errDenied)
		time.Sleep(networkMaxRetry)
		synctest.Wait()
		if !f.isKnown() || f.applied != 1 {
			t.Errorf("a right that is missing holds up all; %d policies", f.applied)
		}
		f.answers()
		time.Sleep(time.Minute)
		synctest.Wait()
		if f.applied != 2 {
			t.Errorf("%d policies, want one more soon after the rights are there", f.applied)
		}
		f.endpoints.is(netip.MustParseAddr("10.1.0.3"))
		time.Sleep(networkInterval)
		synctest.Wait()
		f.judges(t, map[string]egress.Class{"10.1.0.3": egress.APIServer})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestNetwork_TheFirstTableWaitsForIt(t *testing.T) {
	t.Parallel()
	f := newFakeNetwork()
	p := &process{network: f.network, types: newEventTypes(nil)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.load(ctx, routing.Update{Types: catalogue.NewTable(nil)}) // there is no dispatcher to load it into
	close(f.known)
	if !f.await(t.Context()) {
		t.Error("it waits for what is known")
	}
}

// apiServer answers lists as an API server does: paths to JSON, and what is not there with 404.
func apiServer(t *testing.T, lists map[string]string) *rest.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := lists[r.URL.String()]
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
		}
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return &rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

const (
	slicesPath = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"
	cidrsPath  = "/apis/networking.k8s.io/v1/servicecidrs"
)

func TestNetwork_ReadsTheCluster(t *testing.T) {
	t.Parallel()
	const slices = `{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","items":[
		{"addressType":"IPv4","endpoints":[{"addresses":["10.1.0.1"]},{"addresses":["10.1.0.2"],"conditions":{"ready":false}}]},
		{"addressType":"IPv6","endpoints":[{"addresses":["fd12::1"]}]},
		{"addressType":"FQDN","endpoints":[{"addresses":["api.example.com"]}]}]}`
	const cidrs = `{"kind":"ServiceCIDRList","apiVersion":"networking.k8s.io/v1","items":[
		{"spec":{"cidrs":["34.0.0.0/8","2600:1f00::/24"]}},{"spec":{"cidrs":["35.0.0.0/8"]}}]}`
	tests := map[string]struct {
		lists map[string]string
		want  map[string]egress.Class
	}{
		"both": {
			map[string]string{slicesPath: slices, cidrsPath: cidrs},
			map[string]egress.Class{
				"127.0.0.1": egress.APIServer, "10.1.0.1": egress.APIServer, "10.1.0.2": egress.APIServer, "fd12::1": egress.APIServer,
				"34.1.1.1": egress.Cluster, "2600:1f00::1": egress.Cluster, "35.1.1.1": egress.Cluster, "36.1.1.1": egress.Cluster,
				"10.1.0.3": "", "127.0.0.2": "",
			},
		},
		"a cluster without ServiceCIDRs": {
			map[string]string{slicesPath: slices},
			map[string]egress.Class{"10.1.0.1": egress.APIServer, "34.1.1.1": "", "36.1.1.1": egress.Cluster},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFakeNetwork()
			var err error
			f.network, err = newNetwork(apiServer(t, tc.lists), config.Egress{
				Allow: []netip.Prefix{
					netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fd12::/16"),
				},
				ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("36.0.0.0/8")},
			}, f.apply, f.logger)
			if err != nil {
				t.Fatal(err)
			}
			if o := f.looks(t, 0); o != isRead {
				t.Errorf("the outcome is %d; logged %v", o, f.logged.lines("WARN"))
			}
			f.judges(t, tc.want)
		})
	}
}

func TestHostAddresses_AreThoseOfTheHost(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ host, want string }{
		"a URL":                      {"https://10.96.0.1:443", "10.96.0.1"},
		"a URL of IPv6":              {"https://[fd00::1]:6443/api", "fd00::1"},
		"an address with port":       {"10.0.0.1:6443", "10.0.0.1"},
		"an address alone":           {"10.0.0.1", "10.0.0.1"},
		"a URL without a port in it": {"https://10.0.0.1", "10.0.0.1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := hostAddresses(t.Context(), tc.host)
			if err != nil {
				t.Fatal(err)
			}
			want := []netip.Addr{netip.MustParseAddr(tc.want)}
			if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHostAddresses_FailForAHostThatDoesNotResolve(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if addrs, err := hostAddresses(ctx, "https://api.invalid"); err == nil {
		t.Errorf("got %v, want an error: nobody may send to the API server", addrs)
	}
}
