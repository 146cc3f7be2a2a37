// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

// The rights that the operator's ServiceAccount needs, for controller-gen. Each line names its use;
// the suite runs the manager with these rights and no more.
//
// Secrets are read and written in every namespace: RBAC knows no labels. The operator looks only at
// those that carry the label, at those that a spec names, and at the names it would create. It deletes
// Secrets in its own namespace alone; those with deletionPolicy Delete go by their owner reference. Where
// the admission plugin OwnerReferencesPermissionEnforcement is on (OpenShift has it), only those may set
// that reference on a Secret that is there who may delete it: hence delete in every namespace.
//
// Its own objects: read from the cache, and live before credentials are swept; statuses are applied.
// +kubebuilder:rbac:groups=posthorn.dev,resources=webhookendpoints,verbs=get;list;watch
// +kubebuilder:rbac:groups=posthorn.dev,resources=webhooksubscriptions;webhookeventsources;webhookeventtypes,verbs=list;watch
// +kubebuilder:rbac:groups=posthorn.dev,resources=webhookendpoints/status;webhooksubscriptions/status;webhookeventsources/status;webhookeventtypes/status,verbs=patch
//
// Signing Secrets, users' Secrets, credentials for the dispatcher:
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update;delete
//
// CA bundles, Services of a serviceRef, labels of namespaces for grants:
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get
// +kubebuilder:rbac:groups="",resources=services;namespaces,verbs=list;watch
//
// The authority of ingest's certificate, for producers:
// +kubebuilder:rbac:groups="",namespace=posthorn-system,resources=configmaps,verbs=create
// +kubebuilder:rbac:groups="",namespace=posthorn-system,resources=configmaps,resourceNames=posthorn-ca,verbs=update
//
// Kubernetes Events on the objects, and those of the leader election:
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",namespace=posthorn-system,resources=events,verbs=create
//
// The leader election, and the dispatcher's Lease:
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=posthorn-system,resources=leases,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=posthorn-system,resources=leases,resourceNames=posthorn-operator,verbs=get;update
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=posthorn-system,resources=leases,resourceNames=posthorn-dispatcher,verbs=get
//
// Who may read the metrics:
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
