// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
	"github.com/posthorn-dev/posthorn/internal/compile"
)

// reconcileService owns ServiceResolved: the ClusterIP that the dispatcher dials for a serviceRef.
func (r *WebhookEndpointReconciler) reconcileService(ctx context.Context, run *endpointRun) error {
	ref := run.obj.Spec.ServiceRef
	if ref == nil {
		return nil
	}
	key := types.NamespacedName{Namespace: run.obj.Namespace, Name: string(ref.Name)}
	service := &corev1.Service{}
	err := r.Client.Get(ctx, key, service)
	switch {
	case apierrors.IsNotFound(err):
		return run.judge(hookv1.ConditionServiceResolved, waitingf(hookv1.ReasonServiceNotFound,
			"Service %s does not exist in namespace %s: create it, or correct serviceRef.name", ref.Name, key.Namespace))
	case err != nil:
		return fmt.Errorf("get service %s: %w", key, err)
	}
	if v := serviceVerdict(service, ref); v != nil {
		return run.judge(hookv1.ConditionServiceResolved, v)
	}
	run.credentials.URL = compile.ServiceURL(run.obj.Namespace, ref).String()
	run.credentials.ServiceIP = service.Spec.ClusterIP
	run.met(hookv1.ConditionServiceResolved, hookv1.ReasonResolved,
		fmt.Sprintf("Requests go to port %d of Service %s", ref.Port, ref.Name))
	return nil
}

// serviceVerdict says why a Service may not be used; nil when it may. Only with the type ClusterIP and
// a selector is its address one that the cluster gave it, and are its pods those of the namespace:
// anything else would be a way around the egress guard.
func serviceVerdict(service *corev1.Service, ref *hookv1.ServiceRef) *verdict {
	what := ""
	switch {
	case service.Spec.Type == corev1.ServiceTypeExternalName:
		what = "is an ExternalName"
	case service.Spec.Type != corev1.ServiceTypeClusterIP && service.Spec.Type != "":
		what = "has the type " + string(service.Spec.Type)
	case service.Spec.ClusterIP == corev1.ClusterIPNone:
		what = "is headless"
	case len(service.Spec.Selector) == 0:
		what = "has no selector"
	}
	if what != "" {
		return waitingf(hookv1.ReasonServiceNotAllowed,
			"Service %s %s: use one of type ClusterIP with a selector and an address of its own", ref.Name, what)
	}
	if service.Spec.ClusterIP == "" {
		return waitingf(hookv1.ReasonServiceNotAllowed, "Service %s has no ClusterIP yet", ref.Name)
	}
	if !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool {
		return p.Port == ref.Port && (p.Protocol == corev1.ProtocolTCP || p.Protocol == "")
	}) {
		return waitingf(hookv1.ReasonPortNotFound,
			"Service %s has no TCP port %d: add it, or correct serviceRef.port", ref.Name, ref.Port)
	}
	return nil
}
