// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// user is who the program runs as: nobody in particular, the same as in the images of the Dockerfile.
const user = 65532

// content is what the one layer of an image holds.
type content struct {
	// entrypoint is the path of the program.
	entrypoint string
	program    []byte
	// authorities is a PEM file, or nothing.
	authorities []byte
}

// build makes the image of the content.
func build(what content, architecture string) (v1.Image, error) {
	layer, err := what.layer()
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("add layer: %w", err)
	}
	image, err = mutate.ConfigFile(image, what.config(image, architecture))
	if err != nil {
		return nil, fmt.Errorf("set configuration of image: %w", err)
	}
	return image, nil
}

// config says how the image runs. It keeps what the image's layers added to its configuration.
func (c content) config(image v1.Image, architecture string) *v1.ConfigFile {
	file := &v1.ConfigFile{OS: "linux", Architecture: architecture}
	if made, err := image.ConfigFile(); err == nil {
		file.RootFS, file.History = made.RootFS, made.History
	}
	file.Config = v1.Config{
		Entrypoint: []string{c.entrypoint},
		User:       fmt.Sprintf("%d:%d", user, user),
		WorkingDir: "/",
		Env:        []string{"HOME=/tmp"},
	}
	return file
}

// layer packs the files, with the time zero, so that the same files make the same image.
func (c content) layer() (v1.Layer, error) {
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	entries := []struct {
		header tar.Header
		body   []byte
	}{
		{header: tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}},
		{header: tar.Header{Name: "data/", Typeflag: tar.TypeDir, Mode: 0o755, Uid: user, Gid: user}},
		{header: tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}},
		{header: tar.Header{Name: "etc/passwd", Mode: 0o644}, body: fmt.Appendf(nil, "nonroot:x:%d:%d::/tmp:/none\n", user, user)},
		{header: tar.Header{Name: "etc/ssl/", Typeflag: tar.TypeDir, Mode: 0o755}},
		{header: tar.Header{Name: "etc/ssl/certs/", Typeflag: tar.TypeDir, Mode: 0o755}},
		{header: tar.Header{Name: "etc/ssl/certs/ca-certificates.crt", Mode: 0o644}, body: c.authorities},
		{header: tar.Header{Name: strings.TrimPrefix(c.entrypoint, "/"), Mode: 0o755}, body: c.program},
	}
	for _, entry := range entries {
		entry.header.Size = int64(len(entry.body))
		if err := w.WriteHeader(&entry.header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", entry.header.Name, err)
		}
		if _, err := w.Write(entry.body); err != nil {
			return nil, fmt.Errorf("pack %s: %w", entry.header.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack layer: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(packed.Bytes())), nil
	})
	if err != nil {
		return nil, fmt.Errorf("read layer: %w", err)
	}
	return layer, nil
}
