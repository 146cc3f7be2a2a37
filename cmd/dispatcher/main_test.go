// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// received is one request that a receiver got.
type received struct {
	header   http.Header
	body     string
	verified error
}

// newReceiver runs a receiver that verifies signatures by an implementation that is not Posthorn's.
func newReceiver(t *testing.T, key string) (url string, requests <-chan received) {
	t.Helper()
	verifier, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan received, 16)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		all <- received{r.Header.Clone(), string(body), verifier.Verify(body, r.Header)}
	}))
	t.Cleanup(server.Close)
	return server.URL, all
}

// eventually fails the test unless the condition comes true.
func eventually(t *testing.T, what string, condition func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// awaitStatus waits until the subscription's status is as it should be.
func awaitStatus(t *testing.T, s *hookv1.WebhookSubscription, what string, is func(*hookv1.WebhookSubscriptionStatus) bool) {
	t.Helper()
	eventually(t, what, func(ctx context.Context) (bool, error) {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(s), s); err != nil {
			return false, err
		}
		return is(&s.Status), nil
	})
}

func TestDispatcher_DeliversAnEventSignedAndShowsIt(t *testing.T) {
	key := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	url, requests := newReceiver(t, key)
	namespace := tenant(t, "posthorn-producer", "posthorn-view")
	subscription := subscribe(t, namespace, url, key)
	d := startDispatcher(t, own(t))
	awaitStatus(t, subscription, "the subscription is routed", func(s *hookv1.WebhookSubscriptionStatus) bool {
		return meta.IsStatusConditionTrue(s.Conditions, hookv1.ConditionRouted)
	})
	eventually(t, "the process is ready", func(context.Context) (bool, error) {
		code, _ := d.do(http.MethodGet, "http://"+d.started.Health+"/readyz", "", nil, "")
		return code == http.StatusOK, nil
	})
	bearer := token(t, namespace, "posthorn")

	if code, body := d.post(namespace, bearer, "1"); code != http.StatusAccepted {
		t.Fatalf("post: got %d: %s", code, body)
	}
	select {
	case r := <-requests:
		if r.verified != nil {
			t.Errorf("verify signature: %v", r.verified)
		}
		if !strings.Contains(r.body, `"total":42`) || !strings.HasPrefix(r.header.Get("User-Agent"), "Posthorn/") {
			t.Errorf("received %q with %v", r.body, r.header)
		}
	case <-time.After(patience):
		t.Fatal("the event did not arrive")
	}
	awaitStatus(t, subscription, "the status counts the delivery", func(s *hookv1.WebhookSubscriptionStatus) bool {
		return s.Deliveries != nil && s.Deliveries.Delivered != nil && *s.Deliveries.Delivered == 1
	})
	eventually(t, "the delivery log shows the attempt", func(context.Context) (bool, error) {
		code, body := d.get("/v1/namespaces/"+namespace+"/deliveries", bearer)
		return code == http.StatusOK && strings.Contains(body, `"outcome":"Delivered"`), nil
	})
	if code, body := d.get("/circuits?namespace="+namespace, bearer); code != http.StatusOK || !strings.Contains(body, `"state":"Closed"`) {
		t.Errorf("circuits: got %d: %s", code, body)
	}
	if err := d.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestDispatcher_LetsInWhoHasTheRight(t *testing.T) {
	namespace := tenant(t, "posthorn-producer")
	reader := tenant(t)
	create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper-of-" + reader},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "posthorn-metrics-reader"},
		Subjects:   []rbacv1.Subject{subject(reader)},
	})
	d := startDispatcher(t, own(t))
	eventually(t, "events are taken", func(context.Context) (bool, error) {
		code, _ := d.post(namespace, token(t, namespace, "posthorn"), "1")
		return code == http.StatusAccepted, nil
	})
	metrics := "https://" + d.started.Metrics + "/metrics"
	get := func(url, token string) int {
		code, _ := d.do(http.MethodGet, url, token, nil, "")
		return code
	}
	postWith := func(token string) int {
		code, _ := d.post(namespace, token, "2")
		return code
	}
	for name, tc := range map[string]struct{ got, want int }{
		"a post without a token":               {postWith(""), http.StatusUnauthorized},
		"a post with one for the API server":   {postWith(token(t, namespace)), http.StatusUnauthorized},
		"a post of somebody without a right":   {postWith(token(t, reader, "posthorn")), http.StatusForbidden},
		"metrics without a token":              {get(metrics, ""), http.StatusUnauthorized},
		"metrics for somebody without a right": {get(metrics, token(t, namespace)), http.StatusForbidden},
		"metrics for who may get the path":     {get(metrics, token(t, reader)), http.StatusOK},
		"all circuits for a tenant":            {get("http://"+d.started.Ingest+"/circuits", token(t, namespace, "posthorn")), http.StatusForbidden},
		"liveness":                             {get("http://"+d.started.Health+"/healthz", ""), http.StatusOK},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %d, want %d", name, tc.got, tc.want)
		}
	}
	_, body := d.do(http.MethodGet, metrics, token(t, reader), nil, "")
	for _, name := range []string{
		"posthorn_unaccounted_deliveries 0", "posthorn_ingest_events_total", "posthorn_access_reviews_total", "go_goroutines",
	} {
		if !strings.Contains(body, name) {
			t.Errorf("metrics do not hold %q", name)
		}
	}
}

func TestDispatcher_WithoutTheAPIServerSaysSoAndStops(t *testing.T) {
	namespace := tenant(t, "posthorn-producer")
	unreachable := rest.CopyConfig(own(t))
	unreachable.Host = "https://127.0.0.1:1"
	d := startDispatcher(t, unreachable)
	eventually(t, "readiness names the API server", func(context.Context) (bool, error) {
		code, body := d.do(http.MethodGet, "http://"+d.started.Health+"/readyz", "", nil, "")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "API server"), nil
	})
	if code, _ := d.do(http.MethodGet, "http://"+d.started.Health+"/healthz", "", nil, ""); code != http.StatusOK {
		t.Errorf("liveness: got %d", code)
	}
	if code, body := d.post(namespace, token(t, namespace, "posthorn"), "1"); code != http.StatusServiceUnavailable {
		t.Errorf("post: got %d: %s", code, body)
	}
	if err := d.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}
