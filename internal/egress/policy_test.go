// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package egress_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/posthorn-dev/posthorn/internal/egress"
)

// addrs parses addresses.
func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

// prefixes parses prefixes.
func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func TestClassify_Classes(t *testing.T) {
	t.Parallel()
	tests := map[egress.Class][]string{
		egress.Public:      {"8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::808:808"},
		egress.Loopback:    {"127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::7f00:1"},
		egress.Private:     {"10.1.2.3", "192.168.0.1", "172.16.0.1", "100.64.0.1", "fd00::1", "fec0::1", "64:ff9b::a00:1", "64:ff9b:1:a00:0:100::", "fd00::1%eth0"},
		egress.Reserved:    {"192.0.2.1", "240.0.0.1", "255.255.255.255", "2001:db8::1", "3fff::1", "100::1", "4000::1", "2002:808:808::1", "::8.8.8.8"},
		egress.LinkLocal:   {"169.254.1.1", "fe80::1", "fe80::1%eth0", "::ffff:169.254.1.1"},
		egress.Metadata:    {"169.254.169.254", "168.63.129.16", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "64:ff9b:1:a9fe:a9:fe00::"},
		egress.Multicast:   {"224.0.0.1", "239.255.255.250", "ff02::1"},
		egress.Unspecified: {"0.0.0.0", "0.1.2.3", "::", "64:ff9b::", "64:ff9b:1::"},
	}
	for want, texts := range tests {
		for _, addr := range addrs(texts...) {
			if got := egress.Classify(addr); got != want {
				t.Errorf("Classify(%s) = %s, want %s", addr, got, want)
			}
		}
	}
	if got := egress.Classify(netip.Addr{}); got != egress.Invalid {
		t.Errorf("Classify of no address = %s", got)
	}
}

func TestClassify_TeredoIsJudgedByServerAndClient(t *testing.T) {
	t.Parallel()
	// The client's bits are inverted: 5601:5601 is 169.254.169.254.
	if got := egress.Classify(netip.MustParseAddr("2001:0:808:808::5601:5601")); got != egress.Metadata {
		t.Errorf("a client at the metadata address is %s", got)
	}
	if got := egress.Classify(netip.MustParseAddr("2001:0:7f00:1::f7f7:f7f7")); got != egress.Loopback {
		t.Errorf("a server at loopback is %s", got)
	}
	if got := egress.Classify(netip.MustParseAddr("2001:0:808:808::f7f7:f7f7")); got != egress.Reserved {
		t.Errorf("public server and client are %s", got)
	}
}

func TestPolicy_Check(t *testing.T) {
	t.Parallel()
	rules := egress.Rules{
		Allow:          prefixes("10.1.0.0/16", "::ffff:10.3.0.0/112", "fd12::/16", "127.0.0.1/8"),
		NamespaceAllow: map[string][]netip.Prefix{namespace: prefixes("10.2.0.0/16")},
		Cluster:        prefixes("10.96.0.0/12", "34.0.0.0/8", "2600:1f00::/24"),
		APIServer:      addrs("10.1.0.1", "35.1.1.1", "127.0.0.1", "fd12::1"),
	}
	listed := rules
	listed.Allow = prefixes("10.1.0.1/32", "fd12::1/128", "127.0.0.0/8")
	listed.NamespaceAllow = map[string][]netip.Prefix{namespace: prefixes("35.1.1.1/32")}
	tests := map[string]struct {
		rules     egress.Rules
		namespace string
		addrs     []netip.Addr
		want      egress.Class // empty when admitted
	}{
		"a public address":                              {rules, namespace, addrs("8.8.8.8"), ""},
		"several public addresses":                      {rules, namespace, addrs("8.8.8.8", "2606:4700::1111"), ""},
		"a listed address":                              {rules, namespace, addrs("10.1.2.3"), ""},
		"an address listed in its mapped form":          {rules, namespace, addrs("10.3.0.9"), ""},
		"a prefix with host bits means its range":       {rules, namespace, addrs("127.9.9.9"), ""},
		"a mapped form of a listed address":             {rules, namespace, addrs("::ffff:10.1.2.3"), ""},
		"a NAT64 form of a listed address":              {rules, namespace, addrs("64:ff9b::10.1.2.3"), ""},
		"an address listed for the namespace":           {rules, namespace, addrs("10.2.2.3"), ""},
		"an address listed for another namespace":       {rules, "team-b", addrs("10.2.2.3"), egress.Private},
		"an address that is not listed":                 {rules, namespace, addrs("10.9.0.1"), egress.Private},
		"a mixed answer, bad last":                      {rules, namespace, addrs("8.8.8.8", "10.9.0.1"), egress.Private},
		"a mixed answer, bad first":                     {rules, namespace, addrs("10.9.0.1", "8.8.8.8"), egress.Private},
		"a public range of the cluster":                 {rules, namespace, addrs("34.1.1.1"), egress.Cluster},
		"a NAT64 form of a range of the cluster":        {rules, namespace, addrs("64:ff9b::34.1.1.1"), egress.Cluster},
		"a public IPv6 range of the cluster":            {rules, namespace, addrs("2600:1f00::1"), egress.Cluster},
		"a Service":                                     {rules, namespace, addrs("10.96.0.10"), egress.Cluster},
		"the API server inside a listed range":          {rules, namespace, addrs("10.1.0.1"), egress.APIServer},
		"the API server at a public address":            {rules, namespace, addrs("35.1.1.1"), egress.APIServer},
		"the API server at loopback":                    {rules, namespace, addrs("127.0.0.1"), egress.APIServer},
		"the API server in its mapped form":             {rules, namespace, addrs("::ffff:10.1.0.1"), egress.APIServer},
		"the API server in its NAT64 form":              {rules, namespace, addrs("64:ff9b::10.1.0.1"), egress.APIServer},
		"the API server by IPv6":                        {rules, namespace, addrs("fd12::1"), egress.APIServer},
		"the API server listed alone":                   {listed, namespace, addrs("10.1.0.1"), ""},
		"the API server listed alone by IPv6":           {listed, namespace, addrs("fd12::1"), ""},
		"the API server listed alone for the namespace": {listed, namespace, addrs("35.1.1.1"), ""},
		"the API server listed alone for another":       {listed, "team-b", addrs("35.1.1.1"), egress.APIServer},
		"metadata next to a public address":             {rules, namespace, addrs("8.8.8.8", "169.254.169.254"), egress.Metadata},
		"an address with a zone":                        {rules, namespace, addrs("fe80::1%1"), egress.LinkLocal},
		"no valid address":                              {rules, namespace, []netip.Addr{{}}, egress.Invalid},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := mustPolicy(t, tc.rules).Check(tc.namespace, tc.addrs)
			var got egress.Class
			if refusal, ok := errors.AsType[*egress.Refusal](err); ok {
				got = refusal.Class
			}
			if got != tc.want || (err == nil) != (tc.want == "") {
				t.Errorf("Check() = %v, want the class %q", err, tc.want)
			}
		})
	}
}

func TestPolicy_CheckRefusesNoAddress(t *testing.T) {
	t.Parallel()
	if err := egress.DefaultPolicy().Check(namespace, nil); !errors.Is(err, egress.ErrNoAddress) {
		t.Errorf("Check() = %v, want ErrNoAddress", err)
	}
}

func TestPolicy_CheckService(t *testing.T) {
	t.Parallel()
	p := egress.DefaultPolicy()
	for _, addr := range addrs("10.96.0.10", "fd12::10", "34.1.1.1", "127.0.0.1") {
		if err := p.CheckService(namespace, addr); err != nil {
			t.Errorf("CheckService(%s) = %v", addr, err)
		}
	}
	for _, addr := range append(addrs("169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"), netip.Addr{}) {
		if err := p.CheckService(namespace, addr); err == nil {
			t.Errorf("CheckService(%s) admits it", addr)
		}
	}
}

func TestPolicy_CheckServiceRefusesTheAPIServer(t *testing.T) {
	t.Parallel()
	rules := egress.Rules{Allow: prefixes("10.96.0.0/12"), Cluster: prefixes("10.96.0.0/12"), APIServer: addrs("10.96.0.1")}
	listed := rules
	listed.NamespaceAllow = map[string][]netip.Prefix{namespace: prefixes("10.96.0.1/32")}
	tests := map[string]struct {
		rules     egress.Rules
		namespace string
		addr      string
		want      egress.Class // empty when admitted
	}{
		"the API server":                {rules, namespace, "10.96.0.1", egress.APIServer},
		"its mapped form":               {rules, namespace, "::ffff:10.96.0.1", egress.APIServer},
		"the Service beside it":         {rules, namespace, "10.96.0.2", ""},
		"listed alone":                  {listed, namespace, "10.96.0.1", ""},
		"listed alone, for another one": {listed, "team-b", "10.96.0.1", egress.APIServer},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := mustPolicy(t, tc.rules).CheckService(tc.namespace, netip.MustParseAddr(tc.addr))
			var got egress.Class
			if refusal, ok := errors.AsType[*egress.Refusal](err); ok {
				got = refusal.Class
			}
			if got != tc.want || (err == nil) != (tc.want == "") {
				t.Errorf("CheckService() = %v, want the class %q", err, tc.want)
			}
		})
	}
}

func TestRefusal_HoldsTheAddressAndDoesNotTellIt(t *testing.T) {
	t.Parallel()
	p := mustPolicy(t, egress.Rules{APIServer: addrs("10.96.0.1")})
	tests := map[string]struct {
		err  error
		addr string
	}{
		"the first that was refused": {p.Check(namespace, addrs("8.8.8.8", "10.1.2.3", "10.9.9.9")), "10.1.2.3"},
		"a Service":                  {p.CheckService(namespace, netip.MustParseAddr("169.254.1.1")), "169.254.1.1"},
		"the API server's":           {p.CheckService(namespace, netip.MustParseAddr("10.96.0.1")), "10.96.0.1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusal, ok := errors.AsType[*egress.Refusal](tc.err)
			if !ok || refusal.Addr != netip.MustParseAddr(tc.addr) {
				t.Fatalf("got %#v, want the address %s", tc.err, tc.addr)
			}
			if strings.Contains(refusal.Error(), tc.addr) {
				t.Errorf("Error() = %q", refusal)
			}
		})
	}
}

func TestNewPolicy_NamesTheRuleAtFault(t *testing.T) {
	t.Parallel()
	bad := []netip.Prefix{{}}
	tests := map[string]struct {
		rules egress.Rules
		want  string
	}{
		"allow":            {egress.Rules{Allow: bad}, "allow"},
		"allow by tenant":  {egress.Rules{NamespaceAllow: map[string][]netip.Prefix{"team-a": bad}}, "team-a"},
		"cluster":          {egress.Rules{Cluster: bad}, "cluster"},
		"the API server's": {egress.Rules{APIServer: []netip.Addr{{}}}, "API server"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := egress.NewPolicy(tc.rules); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewPolicy() error = %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestRefusal_NamesTheClassAndTheRemedy(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		refusal egress.Refusal
		want    string
	}{
		"private": {
			egress.Refusal{Class: egress.Private, Host: "db.example.com"},
			"db.example.com has a private address, which the platform does not allow",
		},
		"metadata": {
			egress.Refusal{Class: egress.Metadata},
			"the destination has a metadata address, which is never allowed",
		},
		"a range of the cluster": {
			egress.Refusal{Class: egress.Cluster, Host: "billing.example.com"},
			"billing.example.com has a cluster-internal address, which may not be reached by URL; use serviceRef to send to a Service of this namespace",
		},
		"a name of the cluster": {
			egress.Refusal{Class: egress.Private, Host: "billing.team-a.svc.cluster.local"},
			"billing.team-a.svc.cluster.local has a private address, which may not be reached by URL; use serviceRef to send to a Service of this namespace",
		},
		"the API server": {
			egress.Refusal{Class: egress.APIServer, Host: "kubernetes.default.svc"},
			"kubernetes.default.svc has the API server's address, which the platform does not allow",
		},
		"unspecified": {
			egress.Refusal{Class: egress.Unspecified, Host: "zero.example.com"},
			"zero.example.com has an unspecified address, which is never allowed",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tc.refusal.Error(); got != tc.want {
				t.Errorf("Error() = %q, want %q", got, tc.want)
			}
		})
	}
}
