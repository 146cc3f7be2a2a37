// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"strings"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// reconcileSpec compiles the endpoint as the dispatcher will, so that nothing fails there that the
// status did not show. It owns no condition: what is wrong shows in Ready.
func (r *WebhookEndpointReconciler) reconcileSpec(_ context.Context, run *endpointRun) error {
	var err error
	if run.effective, err = compile.EffectiveEndpoint(run.obj, r.Defaults); err != nil {
		return run.judge("", endpointVerdict(err))
	}
	run.host = hostOf(&run.obj.Spec, run.credentials.URL)
	if run.blocked() {
		// Without all of its credentials it cannot compile.
		return nil
	}
	if _, err := compile.Endpoint(run.obj, run.credentials, r.Defaults); err != nil {
		return run.judge("", endpointVerdict(err))
	}
	return nil
}

// hostOf returns the destination's host, with its port where the URL names one; empty while a secret
// URL is not to be had. It shows nothing else of the URL.
func hostOf(spec *hookv1.WebhookEndpointSpec, resolved string) string {
	raw := resolved
	if spec.URL != "" {
		raw = string(spec.URL)
	}
	u, err := compile.ParseURL(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// endpointReasons are the reasons for fields whose values come from Secrets and ConfigMaps. Those may
// be corrected without a change of the spec; anything else that does not compile is the spec's.
var endpointReasons = []struct{ path, reason string }{
	{"spec.urlFrom", hookv1.ReasonInvalidURL},
	{"spec.authentication.oauth2ClientCredentials.tokenURL", ""},
	{"spec.authentication", hookv1.ReasonInvalidCredentials},
	{"spec.tls.caRef", hookv1.ReasonInvalidCertificate},
	{"spec.tls.clientCertificateRef", hookv1.ReasonInvalidCertificate},
}

// endpointVerdict is the verdict on an endpoint that does not compile.
func endpointVerdict(err error) error {
	var e *compile.Error
	if !errors.As(err, &e) {
		return err
	}
	if strings.HasPrefix(e.Path, "spec.headers") && strings.Contains(e.Path, ".valueFrom") {
		return waitingf(hookv1.ReasonInvalidHeader, "%s", e.Error())
	}
	for _, known := range endpointReasons {
		if strings.HasPrefix(e.Path, known.path) && known.reason != "" {
			return waitingf(known.reason, "%s", e.Error())
		}
		if strings.HasPrefix(e.Path, known.path) {
			break
		}
	}
	return stalledf(hookv1.ReasonInvalidSpec, "%s", e.Error())
}
