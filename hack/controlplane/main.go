// Copyright The Posthorn Authors.
// SPDX-License-Identifier: Apache-2.0

// Command controlplane is etcd, kube-apiserver, kube-controller-manager and kubectl in one binary; the
// name it is called by decides which of them runs. One binary links the libraries that the four have in
// common once, which halves the time and the space that the build takes. Tests and the demo run it; it is
// a module of its own, so that nothing of Kubernetes' server side reaches Posthorn's dependencies.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register" // kube-apiserver --logging-format=json
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	components := map[string]func(){
		"etcd":                    func() { etcdmain.Main(os.Args) },
		"kube-apiserver":          func() { os.Exit(cli.Run(apiserver.NewAPIServerCommand())) },
		"kube-controller-manager": func() { os.Exit(cli.Run(controllermanager.NewControllerManagerCommand())) },
		"kubectl":                 runKubectl,
	}

	name := filepath.Base(os.Args[0])
	run, known := components[name]
	if !known {
		fmt.Fprintf(os.Stderr, "no component is called %q; link this binary as etcd, kube-apiserver, "+
			"kube-controller-manager or kubectl and run the link\n", name)
		os.Exit(2)
	}
	run()
}

// runKubectl prints errors the way kubectl does and exits with its status.
func runKubectl() {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
}
