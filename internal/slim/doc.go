// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package slim makes objects small before informers keep them.
//
// An object comes with the managed fields of everybody who wrote it, which are longer than the object, and with
// strings of its own for what is the same in thousands of objects. What is taken away here is what neither plane looks
// at; whoever writes an object back must not take it for all that the API server holds.
package slim
