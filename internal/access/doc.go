// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Package access decides who may use Posthorn's HTTP APIs, by asking the Kubernetes API server: a
// TokenReview says who a bearer token belongs to, a SubjectAccessReview whether that user has a
// right. Rights are RBAC rules on virtual resources, so whoever manages the cluster manages them
// with the tools that are already there.
//
// Requests come far more often than the API server should be asked. So a token is first looked at
// without its signature being verified (issuer, audience, expiry), which refuses what can never be
// accepted; answers are cached for at most a minute; equal questions are asked once; and questions
// have a rate limit, so that garbage cannot load the API server. While the API server is away,
// answers that it gave stay good until the token expires; nobody new gets in.
//
// Who the caller is and what is done with it is left to the packages that serve HTTP. They see a
// Gate, which joins both questions.
package access
