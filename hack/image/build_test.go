// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"errors"
	"io"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

func TestBuild_MakesAnImageThatRunsTheProgramWithoutRoot(t *testing.T) {
	t.Parallel()
	image, err := build(content{entrypoint: "/operator", program: []byte("program"), authorities: []byte("pem")}, "arm64")
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != "arm64" || config.OS != "linux" {
		t.Errorf("platform: got %s/%s", config.OS, config.Architecture)
	}
	if config.Config.User != "65532:65532" || len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/operator" {
		t.Errorf("configuration: got %+v", config.Config)
	}

	files := map[string]string{}
	layers := mutate.Extract(image)
	defer layers.Close()
	for r := tar.NewReader(layers); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(body)
		if header.Name == "operator" && header.Mode != 0o755 {
			t.Errorf("mode of the program: got %o", header.Mode)
		}
	}
	if files["operator"] != "program" || files["etc/ssl/certs/ca-certificates.crt"] != "pem" {
		t.Errorf("files: got %v", files)
	}
}

func TestBuild_MakesTheSameImageOfTheSameContent(t *testing.T) {
	t.Parallel()
	var digests []string
	for range 2 {
		image, err := build(content{entrypoint: "/operator", program: []byte("program")}, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		digest, err := image.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	if digests[0] != digests[1] {
		t.Errorf("digests: got %v, want one", digests)
	}
}
