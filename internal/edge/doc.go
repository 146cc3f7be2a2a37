// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package edge remembers since when an expression has been true of an object, and whether that was
// announced, so that it is announced once: when it turns true, or has been for a while, and when it no
// longer is.
//
// An unbroken time for which it is true is an episode. All that is to be known of one is in its State,
// which is stored, so that a restart changes nothing. The package has no clock and no timers: callers
// say what time it is, and come back when they are told to.
//
// An outcome is announced first, and its State stored after that. A crash in between has it announced
// again under the same name, by which receivers know a repetition.
package edge
