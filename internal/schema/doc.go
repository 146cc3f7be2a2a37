// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package schema checks the data of events against JSON Schemas of the draft 2020-12, and knows which
// fields such a schema has, for the expressions that read them.
//
// Schemas come from tenants, and so does the data. So a schema is bounded in size and depth, refers to
// nothing outside of itself, and a check ends after a bounded number of steps, whatever schema and data
// make of each other. Which events are checked, and what becomes of those that are not valid, is
// decided by who calls.
package schema
