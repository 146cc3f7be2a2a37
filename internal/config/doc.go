// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package config reads the configuration file of a platform: what operator and dispatcher take from
// --config FILE.
//
// The file is YAML and read strictly: an unknown or repeated field, a value out of its bounds or a
// prefix with host bits is an error that names the field, and the program does not start. Every
// fault is reported at once. What is left out has the built-in default; docs/reference/configuration.md
// describes each field.
package config
