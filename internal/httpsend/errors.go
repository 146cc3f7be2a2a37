// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

package httpsend

import "errors"

var (
	// errClosed is the error of a Send after Close.
	errClosed = errors.New("the client is closed")
	// errMaybeSeen stops net/http from sending a request again that the receiver may have seen.
	errMaybeSeen = errors.New("the receiver may have seen the request")
	// errBundle is the error of a CA bundle without a certificate.
	errBundle = errors.New("the endpoint's CA bundle holds no certificate in PEM")
	// errClientCertificate is the error of a client certificate that does not parse, or not fit its
	// key. The cause is left out: it may quote the material.
	errClientCertificate = errors.New("the endpoint's client certificate and key are not a pair in PEM")
	// errTokenValue is the error of an OAuth2 token that no header can hold.
	errTokenValue = errors.New("the OAuth2 token cannot be sent")
	// errTokenURL is the error of an OAuth2 token URL that is none. The cause quotes the URL.
	errTokenURL = errors.New("the OAuth2 token URL is not a URL")
)
