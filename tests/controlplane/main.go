// One binary that is every server of the tests' control plane: the first argument names the server,
// the rest are that server's own flags. It only starts what upstream wrote, and decides nothing itself.
//
// A further server is a further file beside this one, with one function named in the table below.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	_ "time/tzdata" // CronJobs name time zones, and the machine may have no database of them

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

// servers maps a first argument to what it starts; each returns the exit code of the process.
var servers = map[string]func() int{
	"etcd":                    etcd,
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(controllermanager.NewControllerManagerCommand()) },
}

func main() {
	if len(os.Args) < 2 || servers[os.Args[1]] == nil {
		names := slices.Sorted(maps.Keys(servers))
		fmt.Fprintf(os.Stderr, "usage: %s %s [flags]\n", os.Args[0], strings.Join(names, "|"))
		os.Exit(1)
	}
	start := servers[os.Args[1]]
	os.Args = os.Args[1:] // upstream reads its flags from here, and its own name too
	os.Exit(start())
}

func etcd() int {
	etcdmain.Main(os.Args)
	return 0
}
