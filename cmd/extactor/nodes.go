package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/api"
	"github.com/extactor/extactor/credentials/talosconfig"
)

// talosconfigVariable names the environment variable that --talosconfig defaults to. That of Talos (TALOSCONFIG) says where
// the file is once it is said that another machine is meant: who works with Talos has it set all the time, and a command
// must not go to another machine because of that.
const talosconfigVariable = "EXTACTOR_TALOSCONFIG"

// remoteFlags say which daemons on the network are asked; none of them set: the one of this machine.
type remoteFlags struct {
	talosconfig, context string
	nodes, endpoints     []string
}

func (f *remoteFlags) set() bool {
	return f.talosconfig != "" || f.context != "" || len(f.nodes) > 0 || len(f.endpoints) > 0
}

// remoteFlagNames are those of the flags.
var remoteFlagNames = []string{"talosconfig", "context", "nodes", "endpoints"}

// addDaemonFlags adds the flags that say whom to ask: those of talosctl, and the socket. A letter that the command has for
// something else stays that.
func (a *app) addDaemonFlags(command *cobra.Command) {
	flags, short := command.Flags(), func(letter string) string {
		if command.Flags().ShorthandLookup(letter) != nil {
			return ""
		}

		return letter
	}

	socket := cmp.Or(os.Getenv(socketVariable), defaultRunDir+"/"+api.SocketName)
	flags.StringVar(&a.socket, "socket", socket, "socket of the daemon; by default "+socketVariable)

	flags.StringVar(&a.remote.talosconfig, "talosconfig", os.Getenv(talosconfigVariable),
		"ask daemons on the network with the certificates of this file; by default "+talosconfigVariable)
	flags.StringVar(&a.remote.context, "context", "", "the context of the talosconfig; by default its current one")
	flags.StringSliceVarP(&a.remote.nodes, "nodes", short("n"), nil, "ask these daemons on the network, HOST[:PORT],...; by default those of the context")
	flags.StringSliceVarP(&a.remote.endpoints, "endpoints", short("e"), nil, "where to connect to for a node, if that is not its own address")

	_ = command.MarkFlagFilename("talosconfig") // only for a flag that does not exist
	_ = command.RegisterFlagCompletionFunc("context", a.completeContexts)
	_ = command.RegisterFlagCompletionFunc("nodes", a.completeNodes)
}

// completeContexts completes the contexts of the talosconfig that would be used.
func (a *app) completeContexts(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.remote.contexts(), cobra.ShellCompDirectiveNoFileComp
}

func (f *remoteFlags) contexts() []cobra.Completion {
	var names []cobra.Completion

	if path, err := f.file(); err == nil {
		if config, err := talosconfig.Read(path); err == nil {
			for _, context := range config.Contexts {
				names = append(names, cobra.CompletionWithDesc(context.Name, strings.Join(context.Endpoints, ",")))
			}
		}
	}

	return names
}

// completeNodes completes the nodes of the context that would be used.
func (a *app) completeNodes(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion

	if context, err := a.remote.find(); err == nil {
		for _, name := range slices.Concat(context.Nodes, context.Endpoints) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}

	return names, cobra.ShellCompDirectiveNoFileComp
}

// place decides whether this machine's daemon is asked, and refuses what contradicts itself.
func (a *app) place(command *cobra.Command) error {
	changed := func(name string) bool { return command.Flags().Changed(name) || command.Root().Flags().Changed(name) }

	// A variable of a script that is not set must not have its commands go somewhere else.
	for name, empty := range map[string]bool{
		"talosconfig": a.remote.talosconfig == "", "context": a.remote.context == "",
		"nodes": len(a.remote.nodes) == 0, "endpoints": len(a.remote.endpoints) == 0, "socket": a.socket == "",
	} {
		if empty && changed(name) {
			return usageError{fmt.Errorf("--%s is empty: it does not say which daemon is meant", name)}
		}
	}

	for _, name := range momentFlagNames {
		if flag := command.Flags().Lookup(name); flag != nil && flag.Changed && flag.Value.String() == "" {
			return usageError{fmt.Errorf("--%s is empty: it does not say which moment is meant", name)}
		}
	}

	at := slices.IndexFunc(remoteFlagNames, changed)
	if at >= 0 {
		for _, local := range []string{"socket", "journal"} {
			if changed(local) {
				return usageError{fmt.Errorf("--%s is on this machine, and --%s is about others: it is either of them", local, remoteFlagNames[at])}
			}
		}
	}

	if changed("socket") {
		a.remote = remoteFlags{} // the variable says otherwise, but the flag is nearer
	}

	return nil
}

// onlyHere refuses flags about daemons before a command that asks none.
func onlyHere(command *cobra.Command) error {
	if command.Root().Flags().Changed("socket") && command.Flags().Lookup("socket") == nil {
		return usageError{fmt.Errorf("--socket is about a daemon, and %q asks none", command.CommandPath())}
	}

	for _, name := range remoteFlagNames {
		if command.Root().Flags().Changed(name) && command.Flags().Lookup(name) == nil {
			return usageError{fmt.Errorf("--%s is about other machines, and %q works on this one only", name, command.CommandPath())}
		}
	}

	return nil
}

// file is where the talosconfig is.
func (f *remoteFlags) file() (string, error) {
	if path := cmp.Or(f.talosconfig, os.Getenv("TALOSCONFIG")); path != "" {
		return path, nil
	}

	if home := os.Getenv("TALOS_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "config"), nil
	}

	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("it is not said where the talosconfig is (--talosconfig): %w", err)
	}

	return filepath.Join(home, ".talos", "config"), nil
}

func (f *remoteFlags) find() (*talosconfig.Context, error) {
	path, err := f.file()
	if err != nil {
		return nil, err
	}

	config, err := talosconfig.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; say which with --talosconfig, or make one on the node: extactor credentials client", err)
	} else if err != nil {
		return nil, err
	}

	context, err := config.Find(f.context)
	if err != nil {
		return nil, fmt.Errorf("cannot use the talosconfig %q: %w", path, err)
	}

	return context, nil
}

// target is a daemon to be asked.
type target struct {
	node  string // as people call it
	where string // the socket or the address
	dial  func() (*api.Client, error)
}

// targets are the daemons to be asked: that of this machine, or those on the network.
func (a *app) targets() ([]target, error) {
	if !a.remote.set() {
		return []target{{a.node, a.socket, func() (*api.Client, error) { return api.Dial(a.socket) }}}, nil
	}

	context, err := a.remote.find()
	if err != nil {
		return nil, err
	}

	config, err := context.TLSConfig()
	if err != nil {
		return nil, err
	}

	routes, err := routesTo(context, a.remote.nodes, a.remote.endpoints)
	if err != nil {
		return nil, err
	}

	var targets []target

	for _, route := range routes {
		remote := api.Remote{Address: route.address, Node: route.named, Context: context.Name, TLS: config}
		targets = append(targets, target{route.node, route.address, func() (*api.Client, error) { return api.DialRemote(remote) }})
	}

	return targets, nil
}

// target is the only daemon to be asked.
func (a *app) target() (target, error) {
	targets, err := a.targets()
	if err != nil {
		return target{}, err
	}

	if len(targets) > 1 {
		var names []string
		for _, one := range targets {
			names = append(names, one.node)
		}

		return target{}, usageError{fmt.Errorf("this asks one node, and %d are meant (%s): say which one with --nodes", len(targets), strings.Join(names, ", "))}
	}

	return targets[0], nil
}

// route is how a node is reached.
type route struct {
	node    string // as people call it
	address string // to connect to
	named   string // whom the call is for, where the address is not the node's own
}

// routesTo finds out how the nodes are reached. Nodes of extactor do not pass on what is for others, so that each is
// connected to by its own address. Only a single node may be reached by way of an endpoint that leads to it: a port that is
// forwarded, or a load balancer.
func routesTo(context *talosconfig.Context, nodes, endpoints []string) ([]route, error) {
	if err := checkEndpoints(slices.Concat(nodes, endpoints)); err != nil {
		return nil, usageError{err}
	}

	switch {
	case len(nodes) > 1 && len(endpoints) > 0:
		return nil, usageError{errors.New("--endpoints is for one node: nothing is passed on from one node to another; " +
			"without it, each is connected to by its own address")}
	case len(nodes) == 1 && len(endpoints) > 1:
		return nil, usageError{fmt.Errorf("--endpoints: one leads to the node, and here are %d", len(endpoints))}
	case len(nodes) == 1 && len(endpoints) == 1:
		return []route{via(nodes[0], endpoints[0])}, nil
	}

	if wanted := slices.Concat(nodes, endpoints); len(wanted) > 0 {
		return direct(wanted, context.Endpoints), nil
	}

	if err := checkEndpoints(slices.Concat(context.Nodes, context.Endpoints)); err != nil {
		return nil, fmt.Errorf("context %q: %w", context.Name, err)
	}

	switch {
	case len(context.Nodes) == 0 && len(context.Endpoints) == 0:
		return nil, usageError{fmt.Errorf("context %q has neither nodes nor endpoints: say whom to ask with --nodes", context.Name)}
	case len(context.Nodes) == 0:
		return direct(context.Endpoints, nil), nil
	case len(context.Nodes) == 1 && len(context.Endpoints) > 0:
		routes := direct(context.Nodes, context.Endpoints)
		if routes[0].address == routes[0].node {
			routes[0] = via(context.Nodes[0], context.Endpoints[0])
		}

		return routes, nil
	default:
		return direct(context.Nodes, context.Endpoints), nil
	}
}

// via reaches a node by way of an endpoint.
func via(node, endpoint string) route {
	if hostOf(node) == hostOf(endpoint) {
		return route{node: node, address: endpoint}
	}

	return route{node: node, address: endpoint, named: hostOf(node)}
}

// direct reaches each node, once, by its own address; an endpoint of the same host says the port.
func direct(nodes, endpoints []string) []route {
	var routes []route

	for _, node := range nodes {
		address := node

		if at := slices.IndexFunc(endpoints, func(endpoint string) bool { return hostOf(endpoint) == node }); at >= 0 {
			address = endpoints[at]
		}

		if !slices.ContainsFunc(routes, func(route route) bool { return route.node == node }) {
			routes = append(routes, route{node: node, address: address})
		}
	}

	return routes
}
