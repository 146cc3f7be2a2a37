// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// scraper is the ServiceAccount that may read metrics.
const scraper = "scraper"

// accountsForAll reads the figures of the dispatcher as a scraper does, after all that the other specs did to it.
func accountsForAll() {
	It("accounts for every delivery", func(ctx SpecContext) {
		kubectl(ctx, "create", "serviceaccount", scraper, "--namespace", shop)
		kubectl(ctx, "create", "clusterrolebinding", scraper, "--clusterrole=posthorn-metrics-reader", "--serviceaccount="+shop+":"+scraper)
		DeferCleanup(func(ctx SpecContext) { kubectl(ctx, "delete", "clusterrolebinding", scraper) }, NodeTimeout(patience))
		produce(ctx, fast)
		flow(ctx, 50)
		settle(ctx)

		// What waits is held of subscriptions that other specs have deleted, for ten minutes.
		metrics := readMetrics(ctx, kube.token(ctx, shop, scraper))
		matched, waiting := metrics["posthorn_dispatcher_deliveries_matched_total"], metrics[`posthorn_dispatcher_pending_deliveries{where="storage"}`]
		Expect(metrics).To(HaveKeyWithValue("posthorn_unaccounted_deliveries", 0.0))
		Expect(matched).To(BeNumerically(">=", 50))
		seen.note("metrics after all of this: no delivery is unaccounted for; %.0f were matched since the last start, %.0f wait", matched, waiting)
	}, withTimeout)
}

// readMetrics reads the metrics of the dispatcher with a token: name with labels to value.
func readMetrics(ctx context.Context, token string) map[string]float64 {
	GinkgoHelper()
	client, address := forward(ctx, "posthorn-dispatcher-metrics", 8082)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/metrics", http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := client.Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer answer.Body.Close()
	Expect(answer.StatusCode).To(Equal(http.StatusOK))
	values := map[string]float64{}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = number
		}
	}
	Expect(lines.Err()).NotTo(HaveOccurred())
	return values
}
