package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/extactor/extactor/credentials"
	"github.com/extactor/extactor/credentials/talosconfig"
)

// defaultTTL is how long a client's certificate is valid when nobody says, as talosctl has it.
const defaultTTL = "365d"

// clientFlags are for whom a talosconfig is made.
type clientFlags struct {
	dir, role, ttl, context, output string
	endpoints, nodes                []string
	force                           bool
}

func (a *app) credentialsClientCommand() *cobra.Command {
	flags := &clientFlags{}
	command := &cobra.Command{
		Use:   "client --role ROLE",
		Short: "Make a client's certificate, as a talosconfig",
		Long: "Make a client's certificate, and write it with all that is needed to connect into a talosconfig: the file that extactor " +
			"and talosctl take with --talosconfig.\n\nA file that exists keeps its other contexts; the new one becomes the current one. " +
			"Where its name is taken it is called NAME-1, as by talosctl config merge; --force replaces what has the name.\n\n" +
			"A reader sees how services are, an operator may start and stop them too, an admin may do everything. A certificate cannot " +
			"be called back: it ends with its time, or with its CA (extactor credentials rotate --ca).",
		Example: "  extactor credentials client --role reader --ttl 24h\n  extactor credentials client --role admin --endpoint node-a.example -o ~/.talos/config",
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.makeClient(flags) },
	}
	command.Flags().StringVar(&flags.role, "role", "", "reader, operator or admin")
	command.Flags().StringVar(&flags.ttl, "ttl", defaultTTL, "how long the certificate is valid: 24h, 30d")
	command.Flags().StringVarP(&flags.output, "output", "o", "talosconfig", "the file; -: standard output")
	command.Flags().StringVar(&flags.context, "context", "extactor", "name of the context in the file")
	command.Flags().StringSliceVarP(&flags.endpoints, "endpoint", "e", nil, "where to connect to; by default the daemon's first address")
	command.Flags().StringSliceVarP(&flags.nodes, "node", "n", nil, "whom to ask; by default the first endpoint")
	command.Flags().BoolVar(&flags.force, "force", false, "replace a context that has the name")
	credentialsDir(command, &flags.dir)
	_ = command.RegisterFlagCompletionFunc("context", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return (&remoteFlags{talosconfig: flags.output}).contexts(), cobra.ShellCompDirectiveNoFileComp
	})
	complete(command, "role", cobra.ShellCompDirectiveNoFileComp, "reader", "operator", "admin")

	return command
}

func (a *app) makeClient(flags *clientFlags) error {
	if flags.role == "" {
		return usageError{errors.New("it is not said what the client may do: --role reader, operator or admin")}
	}

	role, err := credentials.ParseRole(flags.role)
	if err != nil {
		return usageError{err}
	}

	ttl, err := parseTTL(flags.ttl)
	if err != nil {
		return usageError{err}
	}

	if strings.TrimSpace(flags.context) == "" || strings.ContainsFunc(flags.context, func(char rune) bool { return char < ' ' }) {
		return usageError{fmt.Errorf("--context %q is no name", flags.context)}
	}

	if err := checkEndpoints(append(slices.Clone(flags.endpoints), flags.nodes...)); err != nil {
		return usageError{err}
	}

	set, err := credentials.Read(flags.dir)
	if err != nil {
		return err
	}

	if !set.CanSign() {
		return fmt.Errorf("cannot make a client's certificate in %q: the key of the CA (ca.key) is not there; make it where that is", flags.dir)
	}

	pair, err := set.Authority.Client(role, ttl, a.now())
	if err != nil {
		return fmt.Errorf("cannot make a client's certificate: %w", err)
	}

	key, err := pair.KeyPEM()
	if err != nil {
		return err
	}

	endpoints := flags.endpoints
	if len(endpoints) == 0 {
		endpoints = []string{reachedBy(set.Server.Chain[0])}
	}

	nodes := flags.nodes
	if len(nodes) == 0 {
		nodes = []string{hostOf(endpoints[0])}
	}

	return a.writeContext(flags, talosconfig.Context{
		Name: flags.context, Endpoints: endpoints, Nodes: nodes, CA: set.TrustedPEM(), Certificate: pair.CertificatePEM(), Key: key,
	}, fmt.Sprintf("%s at %s, until %s", role, strings.Join(endpoints, ", "), pair.Chain[0].NotAfter.Format(time.RFC3339)))
}

// writeContext writes, or merges into what is there.
func (a *app) writeContext(flags *clientFlags, context talosconfig.Context, what string) error {
	if flags.output == "-" {
		content, _, err := talosconfig.Merge(nil, context, flags.force)
		if err == nil {
			_, err = a.stdout.Write(content)
		}

		return err
	}

	path := flags.output
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link that somebody made to their file stays one
	}

	name, err := mergeInto(path, context, flags.force)
	if err != nil {
		return err
	}

	renamed := ""
	if name != context.Name {
		renamed = fmt.Sprintf(" (%q is there already; --force replaces it)", context.Name)
	}

	fmt.Fprintf(a.stdout, "%s: context %q%s is %s\n", flags.output, name, renamed, what)

	or, which := "or", ""
	if len(context.Endpoints) > 1 || len(context.Nodes) > 1 { // talosctl would ask one node for another
		or, which = "or, for one of them,", " -e NODE -n NODE"
	}

	fmt.Fprintf(a.stdout, "next: extactor --talosconfig %s status, %s talosctl --talosconfig %s%s service\n", flags.output, or, flags.output, which)

	return nil
}

// mergeInto merges a context into a file, while nobody else does, and returns its name there.
func mergeInto(path string, context talosconfig.Context, force bool) (name string, err error) {
	directory := filepath.Dir(path)
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the directory of the talosconfig: %w", err)
	}

	unlock, err := credentials.Lock(directory)
	if err != nil {
		return "", err
	}
	defer unlock()

	before, err := talosconfig.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}

	content, name, err := talosconfig.Merge(before, context, force)
	if err != nil {
		return "", fmt.Errorf("cannot merge into %q: %w", path, err)
	}

	return name, credentials.WriteFile(path, content)
}

// reachedBy is by which name clients reach the server most likely: an address rather than a host name, and one that was
// asked for. What is only known on the server's own machine follows the name localhost in a certificate of ours.
func reachedBy(server *x509.Certificate) string {
	for _, address := range server.IPAddresses {
		if !address.IsLoopback() {
			return address.String()
		}
	}

	for _, name := range server.DNSNames {
		if name == "localhost" {
			break
		}

		if !strings.HasPrefix(name, "*") {
			return name
		}
	}

	return "127.0.0.1"
}

// checkEndpoints looks at what a client is to connect to: hosts, with a port or without.
func checkEndpoints(endpoints []string) error {
	for _, endpoint := range endpoints {
		if _, err := credentials.ParseName(hostOf(endpoint)); err != nil {
			return err
		}
	}

	return nil
}

// hostOf is an endpoint without its port.
func hostOf(endpoint string) string {
	if host, port, err := net.SplitHostPort(endpoint); err == nil {
		if number, err := strconv.ParseUint(port, 10, 16); err == nil && number > 0 {
			return host
		}
	}

	return endpoint
}

// parseTTL reads how long something is valid: 90m, 24h, 30d.
func parseTTL(text string) (time.Duration, error) {
	ttl, err := time.ParseDuration(text)

	if days, found := strings.CutSuffix(text, "d"); found {
		var number uint64
		if number, err = strconv.ParseUint(days, 10, 16); err == nil {
			ttl = time.Duration(number) * 24 * time.Hour
		}
	}

	switch {
	case err != nil:
		return 0, fmt.Errorf("--ttl %q is no length of time; it is 90m, 24h or 30d, for example", text)
	case ttl < credentials.ShortestTTL:
		return 0, fmt.Errorf("--ttl %s is too short; it is at least %s", text, credentials.ShortestTTL)
	}

	return ttl, nil
}
