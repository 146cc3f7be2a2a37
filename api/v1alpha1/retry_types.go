// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Retry says when a failed delivery is tried again, and when it is given up. The member named after
// type is set, and no other; without a type the platform's schedule applies.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="(has(self.type) && self.type == 'Schedule') == has(self.schedule)",message="schedule must be set when type is Schedule, and only then: add schedule, or change type"
// +kubebuilder:validation:XValidation:rule="(has(self.type) && self.type == 'Exponential') == has(self.exponential)",message="exponential must be set when type is Exponential, and only then: add exponential, or change type"
// +union
type Retry struct {
	// type is Schedule for delays that you list, or Exponential for delays that grow. Omitted: the
	// platform's schedule; if it names none, 8 retries after 5s, 30s, 2m, 10m, 30m, 1h, 4h and 12h,
	// each ±20 %.
	//
	// +optional
	// +unionDiscriminator
	Type RetryType `json:"type,omitempty"`

	// schedule lists the delays.
	//
	// +optional
	// +unionMember
	Schedule *RetrySchedule `json:"schedule,omitempty"`

	// exponential says how the delays grow.
	//
	// +optional
	// +unionMember
	Exponential *RetryExponential `json:"exponential,omitempty"`

	// giveUpOn lists statuses that are not worth a retry, 100 to 599 without 2xx: the delivery is
	// dead-lettered at once. Omitted: none, since people fix receivers.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	GiveUpOn []FailureStatus `json:"giveUpOn,omitempty"`

	// maxAge is how old a delivery may grow, parked ones included, before it is dead-lettered as
	// Expired: 1m to 720h. Omitted: the platform's default, 72h if it names none.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('1m') && duration(self) <= duration('720h')",message="maxAge must be a duration from 1m to 720h, such as 72h"
	MaxAge Duration `json:"maxAge,omitempty"`
}

// RetryType is a way to space attempts.
//
// +kubebuilder:validation:Enum=Schedule;Exponential
type RetryType string

// Ways to space attempts.
const (
	// RetryTypeSchedule waits for the listed delays.
	RetryTypeSchedule RetryType = "Schedule"
	// RetryTypeExponential waits for delays that grow by a factor.
	RetryTypeExponential RetryType = "Exponential"
)

// RetrySchedule lists the delays between attempts.
type RetrySchedule struct {
	// delays are the waits after the first, the second, … failed attempt: at most 50, each from 100ms
	// to 168h. After the last one the delivery is dead-lettered.
	//
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('100ms') && duration(self) <= duration('168h')",message="must be a duration from 100ms to 168h, such as 30s"
	Delays []Duration `json:"delays,omitempty"`

	// jitterPercent is how far each wait departs from its delay at random, either way: 0 to 100.
	// Omitted: the platform's default, 20 if it names none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	JitterPercent *int32 `json:"jitterPercent,omitempty"`
}

// RetryExponential says how the delays between attempts grow.
//
// +kubebuilder:validation:XValidation:rule="duration(self.max) >= duration(self.initial)",message="max must not be shorter than initial, from which the delays grow: lengthen max, or shorten initial"
type RetryExponential struct {
	// initial is the wait after the first failed attempt: 100ms to 168h.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('100ms') && duration(self) <= duration('168h')",message="initial must be a duration from 100ms to 168h, such as 5s"
	Initial Duration `json:"initial,omitempty"`

	// max is the longest wait: 100ms to 168h, and not shorter than initial.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}(h|m|s|ms)){1,4}$') && duration(self) >= duration('100ms') && duration(self) <= duration('168h')",message="max must be a duration from 100ms to 168h, such as 12h"
	Max Duration `json:"max,omitempty"`

	// multiplier is the factor from one wait to the next: 1 to 10. Omitted: 2.
	//
	// +optional
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Multiplier int32 `json:"multiplier,omitempty"`

	// attempts is how many attempts are made, the first one included: 2 to 51.
	//
	// +required
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=51
	Attempts int32 `json:"attempts,omitempty"`

	// jitterPercent is how far each wait departs from its delay at random, either way: 0 to 100.
	// Omitted: the platform's default, 20 if it names none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	JitterPercent *int32 `json:"jitterPercent,omitempty"`
}

// FailureStatus is an HTTP status that is not a success.
//
// +kubebuilder:validation:Minimum=100
// +kubebuilder:validation:Maximum=599
// +kubebuilder:validation:XValidation:rule="self < 200 || self > 299",message="must not be a 2xx status, which is a success: list statuses of failures, such as 413"
type FailureStatus int32
