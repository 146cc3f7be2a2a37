// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. The operator and the dispatcher each write their own, by server-side apply; the
// comment names the writer. A condition that does not apply is absent.
const (
	// ConditionReady says whether the object does its work: this generation is valid, what it refers
	// to exists, the egress policy admits the destination, and the dispatcher routes it, so that the
	// next matching event will be delivered. It does not speak of the receiver's health. Written by
	// the operator, on all kinds. On a WebhookEventSource it says that the next change will be seen, on a
	// WebhookEventType that the next event of the type is checked.
	//
	// Reasons when True:    Succeeded.
	// Reasons when False:   any reason of a condition below that is not True, and on an endpoint
	//                       SecretNotFound, SecretNotAllowed, KeyMissing, ConfigMapNotFound,
	//                       InvalidURL, InvalidHeader, InvalidCertificate, InvalidCredentials,
	//                       InvalidSpec; on a subscription EndpointNotReady, InvalidSpec; on an event
	//                       source InvalidSpec.
	// Reasons when Unknown: Progressing, WaitingForDispatcher, DispatcherUnavailable, HostNotFound, and
	//                       KindNotServed on a suspended event source.
	ConditionReady = "Ready"

	// ConditionReconciling is present, and True, while Ready may still change by itself: work is in
	// progress, or something outside (a Secret, an endpoint, a grant, an address) is waited for.
	// Written by the operator, on all kinds.
	//
	// Reasons when True: that of Ready.
	ConditionReconciling = "Reconciling"

	// ConditionStalled is present, and True, when only a change of the spec can help. Written by the
	// operator, on all kinds.
	//
	// Reasons when True: that of Ready.
	ConditionStalled = "Stalled"

	// ConditionRouted says whether the dispatcher that owns the object has this generation in its
	// routing table, with the Secrets that it needs, or checks events by it. Written by the dispatcher, on
	// endpoints, subscriptions and event types.
	//
	// Reasons when True:  Loaded.
	// Reasons when False: CredentialsPending, InvalidSpec, EndpointNotRouted, TypeConflict.
	ConditionRouted = "Routed"
)

// Condition types of a WebhookEndpoint.
const (
	// ConditionSigningKeyReady says whether the signing Secret exists and is well formed. Absent for
	// the scheme None. Written by the operator.
	//
	// Reasons when True:  Provisioned, UserProvided, RotationOverlap.
	// Reasons when False: SecretNotFound, SecretNotAllowed, SecretNotOwned, KeyMissing, KeyMalformed.
	ConditionSigningKeyReady = "SigningKeyReady"

	// ConditionServiceResolved says whether the Service of serviceRef exists and may be used. Absent
	// without serviceRef. Written by the operator.
	//
	// Reasons when True:  Resolved.
	// Reasons when False: ServiceNotFound, ServiceNotAllowed, PortNotFound.
	ConditionServiceResolved = "ServiceResolved"

	// ConditionDestinationAllowed says whether the egress guard admits the destination. The message
	// names the class of the address, never the address itself. Written by the dispatcher, when it
	// routes the endpoint and at each change after that.
	//
	// Reasons when True:    Allowed.
	// Reasons when False:   AddressNotAllowed, ClusterAddress.
	// Reasons when Unknown: HostNotFound.
	ConditionDestinationAllowed = "DestinationAllowed"

	// ConditionCircuitClosed says whether requests flow. When they do not, the message says since
	// when, and when the next probe is. Written by the dispatcher.
	//
	// Reasons when True:  Closed.
	// Reasons when False: CircuitOpen, CircuitHalfOpen, EndpointDisabled.
	ConditionCircuitClosed = "CircuitClosed"
)

// Condition types of a WebhookSubscription.
const (
	// ConditionEndpointResolved says whether the endpoint, and the dead-letter endpoint where there is
	// one, exist and admit the subscription's namespace. Across namespaces one reason stands for an
	// absent endpoint and for one that does not admit. Written by the operator.
	//
	// Reasons when True:  Resolved.
	// Reasons when False: EndpointNotFound, RefNotPermitted, DeadLetterEndpointNotFound.
	ConditionEndpointResolved = "EndpointResolved"

	// ConditionFilterValid says whether the event types, the sources, the CEL filter and the CEL
	// transform compile within the bounds of cost. The message gives line and column. Written by the
	// operator.
	//
	// Reasons when True:  Valid.
	// Reasons when False: InvalidEventType, InvalidSource, InvalidFilter, FilterTooExpensive,
	//                     InvalidTransform, TransformTooExpensive, FieldNotFound.
	ConditionFilterValid = "FilterValid"

	// ConditionDelivering says whether deliveries go out in time. It speaks of health, not of the
	// manifest, and does not change Ready. Written by the dispatcher.
	//
	// Reasons when True:  Healthy.
	// Reasons when False: CircuitOpen, Throttled, Suspended, Failing, EndpointDisabled,
	//                     EndpointNotRouted, RefNotPermitted, NamespaceOverShare.
	ConditionDelivering = "Delivering"
)

// Condition types of a WebhookEventSource.
const (
	// ConditionPermissionsGranted says whether the source's ServiceAccount may list and watch what the
	// source names, and the dispatcher too. It is asked again every minute, and when roles change. The
	// message names verb, resource, namespace and who lacks the right. Written by the dispatcher.
	//
	// Reasons when True:    Granted.
	// Reasons when False:   PermissionMissing, DispatcherPermissionMissing, ServiceAccountNotFound,
	//                       ServiceAccountNotAllowed.
	// Reasons when Unknown: KindNotServed, InvalidSpec, Progressing.
	ConditionPermissionsGranted = "PermissionsGranted"

	// ConditionExpressionValid says whether the expression of when compiles within the bounds of cost,
	// and names fields that the resources have. The message gives line and column. Absent without when.
	// Written by the operator.
	//
	// Reasons when True:  Valid, TypesUnknown.
	// Reasons when False: InvalidExpression, ExpressionTooExpensive.
	ConditionExpressionValid = "ExpressionValid"

	// ConditionWatching says whether every watch of the source has shown life, an event or a bookmark,
	// within 2 minutes. When it is False the message says since when. WatchStalled, Relisting,
	// GapUnrecoverable and Suspended speak of health, not of the manifest, and do not change Ready.
	// Written by the dispatcher.
	//
	// Reasons when True:  Live.
	// Reasons when False: Loading, WatchStalled, KindNotServed, Forbidden, Relisting,
	//                     GapUnrecoverable, Suspended, InvalidSpec.
	ConditionWatching = "Watching"
)

// Condition types of a WebhookEventType.
const (
	// ConditionSchemaValid says whether the schema can be used and the examples are valid by it. While it
	// is False, events of the type are not checked. Written by the operator.
	//
	// Reasons when True:  Valid.
	// Reasons when False: SchemaInvalid, RemoteRefNotAllowed, ExampleInvalid, TypeConflict.
	ConditionSchemaValid = "SchemaValid"

	// ConditionSubscriptionsCompatible says whether all that the filters and transforms of subscriptions
	// read of the type exists in its schema, as far as that is known: FilterValid of a WebhookSubscription
	// tells the same from the other side. It names the subscriptions, and does not change Ready. Absent
	// while SchemaValid is not True. Written by the operator.
	//
	// Reasons when True:  Compatible.
	// Reasons when False: FieldNotFound.
	ConditionSubscriptionsCompatible = "SubscriptionsCompatible"
)

// Reasons of SchemaValid and SubscriptionsCompatible.
const (
	// ReasonSchemaInvalid means that the schema is no JSON Schema, or too large or too deep.
	ReasonSchemaInvalid = "SchemaInvalid"
	// ReasonRemoteRefNotAllowed means that the schema refers to something outside of itself.
	ReasonRemoteRefNotAllowed = "RemoteRefNotAllowed"
	// ReasonExampleInvalid means that one of the examples violates the schema.
	ReasonExampleInvalid = "ExampleInvalid"
	// ReasonTypeConflict means that an older WebhookEventType of the namespace names the same type.
	ReasonTypeConflict = "TypeConflict"
	// ReasonCompatible means that nothing that a subscription reads is missing in the schema.
	ReasonCompatible = "Compatible"
	// ReasonFieldNotFound means that a filter or a transform reads a field that the schemas of all the
	// types that it is about do not have.
	ReasonFieldNotFound = "FieldNotFound"
)

// Reasons of Ready, Reconciling, Stalled and Routed.
const (
	// ReasonSucceeded means that everything that Ready promises holds.
	ReasonSucceeded = "Succeeded"
	// ReasonProgressing means that a new generation is being looked at.
	ReasonProgressing = "Progressing"
	// ReasonWaitingForDispatcher means that the operator is done, and the dispatcher has not yet
	// routed this generation.
	ReasonWaitingForDispatcher = "WaitingForDispatcher"
	// ReasonDispatcherUnavailable means that the dispatcher has not renewed its Lease for 5 minutes.
	ReasonDispatcherUnavailable = "DispatcherUnavailable"
	// ReasonInvalidSpec means that the spec cannot be used for a cause that no other reason names.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonLoaded means that the dispatcher routes this generation.
	ReasonLoaded = "Loaded"
	// ReasonCredentialsPending means that the dispatcher waits for the endpoint's credentials of this
	// generation from the operator.
	ReasonCredentialsPending = "CredentialsPending"
	// ReasonEndpointNotRouted means that the subscription's endpoint is not in the routing table.
	ReasonEndpointNotRouted = "EndpointNotRouted"
)

// Reasons about Secrets, keys and what else an endpoint reads.
const (
	// ReasonProvisioned means that the operator created the signing Secret, or adopted it again.
	ReasonProvisioned = "Provisioned"
	// ReasonUserProvided means that the signing Secret is one of signing.secretRef.
	ReasonUserProvided = "UserProvided"
	// ReasonRotationOverlap means that the current and the previous key both sign.
	ReasonRotationOverlap = "RotationOverlap"
	// ReasonSecretNotFound means that a Secret that the spec names does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretNotAllowed means that a Secret lacks the label posthorn.dev/use: "true".
	ReasonSecretNotAllowed = "SecretNotAllowed"
	// ReasonSecretNotOwned means that a Secret of the name that the operator would create exists, and
	// is somebody else's: Posthorn never overwrites one that it did not create.
	ReasonSecretNotOwned = "SecretNotOwned"
	// ReasonKeyMissing means that a Secret or a ConfigMap lacks the key that the spec names.
	ReasonKeyMissing = "KeyMissing"
	// ReasonKeyMalformed means that a signing key does not have the form that the scheme needs.
	ReasonKeyMalformed = "KeyMalformed"
	// ReasonConfigMapNotFound means that a ConfigMap that the spec names does not exist.
	ReasonConfigMapNotFound = "ConfigMapNotFound"
	// ReasonInvalidURL means that the value of urlFrom is not a URL that the field url would take.
	ReasonInvalidURL = "InvalidURL"
	// ReasonInvalidHeader means that the value of a header from a Secret cannot stand in a header.
	ReasonInvalidHeader = "InvalidHeader"
	// ReasonInvalidCertificate means that a CA bundle, a client certificate or its key is not PEM, or
	// the two do not belong together.
	ReasonInvalidCertificate = "InvalidCertificate"
	// ReasonInvalidCredentials means that a Secret of authentication holds what cannot be used.
	ReasonInvalidCredentials = "InvalidCredentials"
)

// Reasons about destinations.
const (
	// ReasonResolved means that the referred object exists and may be used.
	ReasonResolved = "Resolved"
	// ReasonServiceNotFound means that the Service of serviceRef does not exist.
	ReasonServiceNotFound = "ServiceNotFound"
	// ReasonServiceNotAllowed means that the Service is of another type than ClusterIP (ExternalName,
	// NodePort or LoadBalancer), is headless or has no selector, so that it could point anywhere, or
	// that it has no ClusterIP yet.
	ReasonServiceNotAllowed = "ServiceNotAllowed"
	// ReasonPortNotFound means that the Service does not have the port of serviceRef.
	ReasonPortNotFound = "PortNotFound"
	// ReasonAllowed means that the egress guard admits every address of the destination.
	ReasonAllowed = "Allowed"
	// ReasonAddressNotAllowed means that the host resolves to an address of a class that the platform
	// does not admit.
	ReasonAddressNotAllowed = "AddressNotAllowed"
	// ReasonClusterAddress means that the host is one of the cluster: serviceRef is the way there.
	ReasonClusterAddress = "ClusterAddress"
	// ReasonHostNotFound means that the host's name does not resolve.
	ReasonHostNotFound = "HostNotFound"
	// ReasonEndpointNotFound means that the endpoint of endpointRef does not exist.
	ReasonEndpointNotFound = "EndpointNotFound"
	// ReasonDeadLetterEndpointNotFound means that the endpoint of deadLetter does not exist.
	ReasonDeadLetterEndpointNotFound = "DeadLetterEndpointNotFound"
	// ReasonRefNotPermitted means that an endpoint of another namespace does not exist or does not
	// admit this one.
	ReasonRefNotPermitted = "RefNotPermitted"
	// ReasonEndpointNotReady means that the subscription's endpoint is not Ready.
	ReasonEndpointNotReady = "EndpointNotReady"
)

// Reasons of FilterValid.
const (
	// ReasonValid means that all patterns and expressions compile.
	ReasonValid = "Valid"
	// ReasonInvalidEventType means that a pattern of eventTypes cannot be used.
	ReasonInvalidEventType = "InvalidEventType"
	// ReasonInvalidSource means that a pattern of sources cannot be used.
	ReasonInvalidSource = "InvalidSource"
	// ReasonInvalidFilter means that the CEL filter does not compile, or does not yield a boolean.
	ReasonInvalidFilter = "InvalidFilter"
	// ReasonFilterTooExpensive means that the CEL filter could cost more than is admitted.
	ReasonFilterTooExpensive = "FilterTooExpensive"
	// ReasonInvalidTransform means that the CEL transform does not compile.
	ReasonInvalidTransform = "InvalidTransform"
	// ReasonTransformTooExpensive means that the CEL transform could cost more than is admitted.
	ReasonTransformTooExpensive = "TransformTooExpensive"
)

// Reasons of PermissionsGranted.
const (
	// ReasonGranted means that the ServiceAccount and the dispatcher have every right that is needed.
	ReasonGranted = "Granted"
	// ReasonPermissionMissing means that the source's ServiceAccount may not list or watch a resource.
	ReasonPermissionMissing = "PermissionMissing"
	// ReasonDispatcherPermissionMissing means that the dispatcher itself may not list or watch a
	// resource: a ClusterRole with the label rbac.posthorn.dev/aggregate-to-source-reader adds to what
	// it may.
	ReasonDispatcherPermissionMissing = "DispatcherPermissionMissing"
	// ReasonServiceAccountNotFound means that the ServiceAccount does not exist.
	ReasonServiceAccountNotFound = "ServiceAccountNotFound"
	// ReasonServiceAccountNotAllowed means that the ServiceAccount lacks the label posthorn.dev/use: "true".
	ReasonServiceAccountNotAllowed = "ServiceAccountNotAllowed"
)

// Reasons of ExpressionValid. Where everything is right it is Valid.
const (
	// ReasonTypesUnknown means that the expression compiles, and that there is no schema of some kind
	// yet that its fields could be checked against.
	ReasonTypesUnknown = "TypesUnknown"
	// ReasonInvalidExpression means that the expression does not compile, does not yield a boolean, or
	// names a field that the resource does not have.
	ReasonInvalidExpression = "InvalidExpression"
	// ReasonExpressionTooExpensive means that the expression could cost more than is admitted.
	ReasonExpressionTooExpensive = "ExpressionTooExpensive"
)

// Reasons of Watching.
const (
	// ReasonLive means that every watch has shown life within 2 minutes.
	ReasonLive = "Live"
	// ReasonLoading means that the objects of this generation are being looked at for the first time.
	ReasonLoading = "Loading"
	// ReasonWatchStalled means that a watch has shown no life for 2 minutes. It is replaced.
	ReasonWatchStalled = "WatchStalled"
	// ReasonKindNotServed means that the cluster does not serve a kind that the source names.
	ReasonKindNotServed = "KindNotServed"
	// ReasonForbidden means that a right is missing: PermissionsGranted says which.
	ReasonForbidden = "Forbidden"
	// ReasonRelisting means that a watch could not go on, and that a list is being compared with what
	// is remembered.
	ReasonRelisting = "Relisting"
	// ReasonGapUnrecoverable means that the cluster has forgotten what happened in an interval, which
	// the message names. The source goes on.
	ReasonGapUnrecoverable = "GapUnrecoverable"
)

// Reasons of CircuitClosed and Delivering.
const (
	// ReasonClosed means that requests flow.
	ReasonClosed = "Closed"
	// ReasonCircuitOpen means that requests are held back after too many failures in a row.
	ReasonCircuitOpen = "CircuitOpen"
	// ReasonCircuitHalfOpen means that single requests probe whether the endpoint is back.
	ReasonCircuitHalfOpen = "CircuitHalfOpen"
	// ReasonEndpointDisabled means that the endpoint answered 410, or failed for longer than its
	// disableAfter. A change of its spec or the annotation posthorn.dev/enable enables it again.
	ReasonEndpointDisabled = "EndpointDisabled"
	// ReasonHealthy means that no delivery is overdue.
	ReasonHealthy = "Healthy"
	// ReasonThrottled means that deliveries wait for the endpoint's rate limit, or for the wait that
	// it asked for with Retry-After.
	ReasonThrottled = "Throttled"
	// ReasonSuspended means that the subscription or its endpoint, or the event source, is suspended.
	ReasonSuspended = "Suspended"
	// ReasonFailing means that deliveries fail and wait for their next attempt.
	ReasonFailing = "Failing"
	// ReasonNamespaceOverShare means that the namespace holds its full share of the event log: its
	// producers are refused with 429 until deliveries make room.
	ReasonNamespaceOverShare = "NamespaceOverShare"
)

// Reasons of Kubernetes Events, written on transitions only. Beside these an Event has the reason of
// the condition that it reports.
const (
	// EventSecretCreated reports that the operator created the signing Secret.
	EventSecretCreated = "SecretCreated"
	// EventSecretAdopted reports that the operator took up a signing Secret that was retained.
	EventSecretAdopted = "SecretAdopted"
	// EventKeyRotated reports a new signing key, by schedule or on demand.
	EventKeyRotated = "KeyRotated"
	// EventKeyReplaced reports a signing key that was edited by hand and is now the current one.
	EventKeyReplaced = "KeyReplaced"
	// EventPreviousKeyExpired reports the end of an overlap: the previous key signs no more.
	EventPreviousKeyExpired = "PreviousKeyExpired"
	// EventCircuitClosed reports that requests flow again.
	EventCircuitClosed = "CircuitClosed"
	// EventEndpointEnabled reports that a disabled endpoint is enabled again.
	EventEndpointEnabled = "EndpointEnabled"
	// EventDeadLettered reports deliveries of a subscription that ended without success, at most once in
	// 10 minutes.
	EventDeadLettered = "DeadLettered"
	// EventWatchResumed reports that an event source watches again, after WatchStalled.
	EventWatchResumed = "WatchResumed"
)
