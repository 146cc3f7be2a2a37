// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"

	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	hookv1 "github.com/posthorn-dev/posthorn/api/v1alpha1"
)

// file is the configuration as it is written. A field that is left out is nil or empty.
type file struct {
	Egress    fileEgress    `json:"egress"`
	Defaults  fileDefaults  `json:"defaults"`
	Storage   fileStorage   `json:"storage"`
	Retention fileRetention `json:"retention"`
	Ingest    fileIngest    `json:"ingest"`
}

type fileEgress struct {
	Allow                []string            `json:"allow"`
	NamespaceAllow       map[string][]string `json:"namespaceAllow"`
	ClusterCIDRs         []string            `json:"clusterCIDRs"`
	ProxyFromEnvironment bool                `json:"proxyFromEnvironment"`
}

type fileDefaults struct {
	Timeout        *hookv1.Duration `json:"timeout"`
	Concurrency    *int             `json:"concurrency"`
	RateLimit      *fileRateLimit   `json:"rateLimit"`
	CircuitBreaker fileBreaker      `json:"circuitBreaker"`
	Retry          fileRetry        `json:"retry"`
	MaxAge         *hookv1.Duration `json:"maxAge"`
}

type fileRateLimit struct {
	Requests *int             `json:"requests"`
	Per      *hookv1.Duration `json:"per"`
}

type fileBreaker struct {
	FailureThreshold *int             `json:"failureThreshold"`
	OpenDuration     *hookv1.Duration `json:"openDuration"`
	MaxOpenDuration  *hookv1.Duration `json:"maxOpenDuration"`
	Probes           *int             `json:"probes"`
}

type fileRetry struct {
	Delays        []hookv1.Duration `json:"delays"`
	JitterPercent *int              `json:"jitterPercent"`
	GiveUpOn      []int             `json:"giveUpOn"`
}

type fileStorage struct {
	MaxBytes        *string           `json:"maxBytes"`
	Sync            string            `json:"sync"`
	NamespaceShare  *string           `json:"namespaceShare"`
	NamespaceShares map[string]string `json:"namespaceShares"`
}

type fileRetention struct {
	Events      fileKeep `json:"events"`
	Attempts    fileKeep `json:"attempts"`
	DeadLetters fileKeep `json:"deadLetters"`
}

type fileKeep struct {
	Age      *hookv1.Duration `json:"age"`
	MaxBytes *string          `json:"maxBytes"`
}

type fileIngest struct {
	RateLimit           *fileRateLimit           `json:"rateLimit"`
	NamespaceRateLimits map[string]fileRateLimit `json:"namespaceRateLimits"`
}

// Parse reads a configuration. The error names every field at fault.
func Parse(b []byte) (*Config, error) {
	// Converting first is what notices a repeated key; the strict decoder then knows the path of an
	// unknown one.
	asJSON, err := yaml.YAMLToJSONStrict(b)
	if err != nil {
		return nil, fmt.Errorf("parse YAML: %w", err)
	}
	var f file
	strict, err := json.UnmarshalStrict(asJSON, &f)
	if err != nil {
		return nil, fmt.Errorf("parse YAML: %w", err)
	}
	c := Default()
	var r reader
	r.egress(f.Egress, &c.Egress)
	r.defaults(f.Defaults, &c.Defaults)
	r.storage(f.Storage, &c.Storage)
	r.retention(f.Retention, &c.Retention)
	r.ingest(f.Ingest, &c.Ingest)
	if err := errors.Join(append(strict, r.faults...)...); err != nil {
		return nil, err
	}
	return c, nil
}
