// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command image packs a static binary into a container image without a container engine:
//
//	image -tag localhost/posthorn-operator:dev -output operator.tar bin/operator
//
// The file is what `docker save` writes; docker, podman, kind and containerd load it. The image is made from
// nothing: the binary, the certificate authorities of this machine if it has some, and a user that is not root.
// The same input gives the same bytes.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func main() {
	log.SetFlags(0)
	tag := flag.String("tag", "", "name of the image, such as localhost/posthorn-operator:dev")
	output := flag.String("output", "", "the archive to write")
	architecture := flag.String("arch", cmp.Or(os.Getenv("GOARCH"), runtime.GOARCH), "what the binary was built for")
	flag.Parse()
	if flag.NArg() != 1 || *tag == "" || *output == "" {
		log.Fatal("usage: image -tag NAME:TAG -output FILE BINARY")
	}
	if err := pack(*tag, *output, *architecture, flag.Arg(0)); err != nil {
		log.Fatal(err)
	}
}

// pack writes the image of the binary, which is its entrypoint, to the output.
func pack(tag, output, architecture, binary string) error {
	reference, err := name.NewTag(tag)
	if err != nil {
		return fmt.Errorf("parse name of image: %w", err)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read binary: %w", err)
	}
	authorities, err := certificateAuthorities()
	if err != nil {
		return err
	}
	entrypoint := "/" + filepath.Base(binary)
	image, err := build(content{entrypoint: entrypoint, program: program, authorities: authorities}, architecture)
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(output, reference, image); err != nil {
		return fmt.Errorf("write image: %w", err)
	}
	return nil
}

// bundles are where systems keep the certificates of the authorities that they trust, as one file.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
	"/etc/ssl/cert.pem",                  // macOS
}

// certificateAuthorities returns this machine's certificate authorities, or nothing when it has none.
func certificateAuthorities() ([]byte, error) {
	for _, bundle := range bundles {
		content, err := os.ReadFile(bundle)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read certificate authorities: %w", err)
		}
		return content, nil
	}
	return nil, nil
}
