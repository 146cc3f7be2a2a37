// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/posthorn-dev/posthorn/test/e2e/guide"
)

// The sections of docs/getting-started.md that have commands.
const (
	sectionInstall   = "Install"
	sectionInside    = "Deliver to an app in the cluster"
	sectionOutside   = "Deliver to a service outside"
	sectionUninstall = "Uninstall"
	sectionRemove    = "Remove everything"
)

// partner is the namespace of the service outside: outside of Posthorn's tenants, though not of the cluster, which
// may have no way out.
const partner = "partner"

var (
	// page is docs/getting-started.md.
	page walk
	// values is the file that its variable VALUES names.
	values string
)

// walk runs the commands of a page, section by section.
type walk struct {
	name    string
	blocks  []guide.Block
	session *guide.Session
	ran     map[int]bool // by line
}

// openPage reads a page of the documentation, whose commands are to run with the variables.
func openPage(name string, variables map[string]string) walk {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(root(), "docs", name))
	Expect(err).NotTo(HaveOccurred())
	blocks, err := guide.Parse(string(text))
	Expect(err).NotTo(HaveOccurred())
	Expect(blocks).NotTo(BeEmpty())
	return walk{
		name: name, blocks: blocks, ran: map[int]bool{},
		session: guide.NewSession(root(), GinkgoT().TempDir(), variables, GinkgoWriter),
	}
}

// openGettingStarted makes what the page takes as given: the address of a service outside, which the platform's values
// admit.
func openGettingStarted(ctx context.Context) {
	GinkgoHelper()
	address := reserveAddress(ctx)
	values = filepath.Join(GinkgoT().TempDir(), "values.yaml")
	Expect(os.WriteFile(values, fmt.Appendf(nil, platformValues, shop, address), 0o600)).To(Succeed())
	page = openPage("getting-started.md", map[string]string{
		"VALUES": values, "OUTSIDE_URL": "http://outside.partner.svc.cluster.local:8080/hooks",
	})
}

// platformValues are the chart's values that the service outside takes, since it is not outside of the cluster.
const platformValues = `config:
  egress:
    namespaceAllow:
      %s: [%s/32]
`

// reserveAddress makes the Service of the service outside, without a pod yet, and returns its address.
func reserveAddress(ctx context.Context) string {
	GinkgoHelper()
	Expect(kube.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: partner}})).To(Succeed())
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "outside", Namespace: partner},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "outside"},
			Ports:    []corev1.ServicePort{{Name: "http", Port: 8080, TargetPort: intstr.FromString("http")}},
		},
	}
	Expect(kube.client.Create(ctx, service)).To(Succeed())
	Expect(net.ParseIP(service.Spec.ClusterIP).To4()).NotTo(BeNil(), "the suite takes a cluster with IPv4")
	return service.Spec.ClusterIP
}

// section runs the commands under a heading, each of which must succeed, and hands what each block printed to look,
// unless that is nil.
func (w *walk) section(ctx context.Context, heading string, look func(printed string)) {
	GinkgoHelper()
	Expect(w.try(ctx, heading, look)).To(Succeed())
}

// try runs the commands under a heading as section does, and returns the error of the first that fails.
func (w *walk) try(ctx context.Context, heading string, look func(printed string)) error {
	found := false
	for _, block := range w.blocks {
		if block.Section != heading {
			continue
		}
		found = true
		By(fmt.Sprintf("running line %d of docs/%s", block.Line, w.name))
		printed, err := w.session.Run(ctx, block)
		if err != nil {
			return err
		}
		w.ran[block.Line] = true
		if look != nil {
			look(printed)
		}
	}
	if !found {
		return fmt.Errorf("docs/%s has no commands under %q", w.name, heading)
	}
	return nil
}

// missing returns the lines of the blocks that no spec has run.
func (w *walk) missing() []int {
	var lines []int
	for _, block := range w.blocks {
		if !w.ran[block.Line] {
			lines = append(lines, block.Line)
		}
	}
	return lines
}

// followsGettingStarted runs the page up to where it takes Posthorn away.
func followsGettingStarted() {
	It("is ready when helm install --wait returns", func(ctx SpecContext) {
		page.section(ctx, sectionInstall, nil)
		for _, component := range []string{"operator", "dispatcher"} {
			pods, err := kube.pods(ctx, component)
			Expect(err).NotTo(HaveOccurred())
			Expect(pods).To(HaveLen(1), component)
			Expect(pods[0].Status.Conditions).To(ContainElement(And(
				HaveField("Type", corev1.PodReady), HaveField("Status", corev1.ConditionTrue))), component)
			Expect(pods[0].Status.ContainerStatuses[0].RestartCount).To(BeZero(), component)
		}
		seen.note("helm install --wait: operator and dispatcher ready, without a restart")
	}, withTimeout)

	It("delivers to an app in the cluster, and the app verifies the signature", func(ctx SpecContext) {
		page.section(ctx, sectionInside, nil)
		total := settle(ctx)
		Expect(total.accepted).To(BeNumerically(">", 0))
		seen.note("to an app by serviceRef, posted with a projected token over TLS: %s", total)
	}, withTimeout)

	It("delivers to a service outside, which verifies with the key that it was given", func(ctx SpecContext) {
		apply(ctx, outside)
		kubectl(ctx, "rollout", "status", "--namespace", partner, "deployment/outside", "--timeout=120s")
		produce(ctx, fast)
		page.section(ctx, sectionOutside, func(printed string) {
			if len(printed) > 6 && printed[:6] == "whsec_" {
				Expect(kube.tell(ctx, partner, "outside", "/control/secret", "", printed)).To(Succeed())
			}
		})
		settle(ctx)
		told := whatWasReceived(ctx, partner, "outside")
		Expect(told.Verified).To(BeNumerically(">", 0), "%v", told.Problems)
		Expect(told.Refused).To(BeZero(), "%v", told.Problems)
		seen.note("to a service outside, by URL: %d deliveries verified, none refused", told.Verified)
	}, withTimeout)
}

// outside is the service outside: the receiver, with a key that it is told instead of one that it mounts.
const outside = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: outside
  namespace: partner
spec:
  selector:
    matchLabels: {app: outside}
  template:
    metadata:
      labels: {app: outside}
    spec:
      containers:
        - name: receiver
          image: localhost/posthorn-e2e:dev
          args: [receiver]
          ports:
            - {name: http, containerPort: 8080}
          readinessProbe:
            httpGet: {path: /healthz, port: http}
            periodSeconds: 1
`
