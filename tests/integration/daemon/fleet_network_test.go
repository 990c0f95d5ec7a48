package daemon_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/extactor/extactor/credentials/talosconfig"
)

// fleet is three daemons, each in a network of its own, that a switch joins. Whoever works with them is at the switch.
type fleet struct {
	t           *testing.T
	office      *host // without a daemon: where the CA is
	netns       string
	nodes       []*host
	addresses   []string
	credentials string // directory with the CA
	talosconfig string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()

	f := &fleet{t: t, netns: newNetns(t)}
	netns := []string{newNetns(t), newNetns(t), newNetns(t)} // before the hosts, so that they go after them

	ip(t, "-n", f.netns, "link", "add", "switch0", "type", "bridge")
	ip(t, "-n", f.netns, "address", "add", "192.0.2.254/24", "dev", "switch0")
	ip(t, "-n", f.netns, "link", "set", "switch0", "up")

	f.office = newHost(t)
	f.credentials = filepath.Join(f.office.dir, "cred")
	f.talosconfig = filepath.Join(f.office.dir, "talosconfig")
	f.office.cli("credentials", "init", "--credentials", f.credentials, "--endpoint", "192.0.2.254").done(t)

	for i, name := range netns {
		address := fmt.Sprintf("192.0.2.%d", i+1)
		wire := fmt.Sprintf("wire%d", i)

		ip(t, "-n", f.netns, "link", "add", wire, "type", "veth", "peer", "name", "wire", "netns", name)
		ip(t, "-n", f.netns, "link", "set", wire, "master", "switch0", "up")
		ip(t, "-n", name, "address", "add", address+"/24", "dev", "wire")
		ip(t, "-n", name, "link", "set", "wire", "up")

		node := newHost(t)
		node.netns = name
		node.service("quiet", "restart: always", "serve")

		directory := filepath.Join(node.dir, "cred")
		f.office.cli(append([]string{"credentials", "init", "--credentials", directory, "--endpoint", address, "--without-ca-key"}, f.authority()...)...).done(t)
		node.flags = []string{"--listen", ":50000", "--credentials", directory}
		node.start()

		f.nodes, f.addresses = append(f.nodes, node), append(f.addresses, address)
	}

	f.client("fleet", "operator")

	for _, node := range f.nodes {
		node.daemon.started(t, 0, "ext-quiet")
	}

	return f
}

// authority are the flags that name the CA.
func (f *fleet) authority() []string {
	return []string{"--ca-cert", filepath.Join(f.credentials, "ca.crt"), "--ca-key", filepath.Join(f.credentials, "ca.key")}
}

// client makes a context whose nodes are those of the fleet.
func (f *fleet) client(name, role string) {
	f.t.Helper()

	all := strings.Join(f.addresses, ",")
	f.office.cli("credentials", "client", "--credentials", f.credentials, "-o", f.talosconfig, "--context", name, "--role", role,
		"--ttl", "1h", "--endpoint", all, "--node", all).done(f.t)
}

// command is a command line at the switch.
func (f *fleet) command(words ...string) *exec.Cmd {
	words = append([]string{"--net=/run/netns/" + f.netns, extactor, "--talosconfig", f.talosconfig}, words...)

	return exec.CommandContext(f.t.Context(), "nsenter", words...)
}

// cli runs a command line at the switch.
func (f *fleet) cli(words ...string) outcome {
	f.t.Helper()

	var stdout, stderr strings.Builder

	command := f.command(words...)
	command.Stdout, command.Stderr = &stdout, &stderr

	if err := command.Run(); err != nil && command.ProcessState == nil {
		f.t.Fatal(err)
	}

	return outcome{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
}

// Three nodes with one CA are asked at once. One that is cut off is reported, and holds up no other.
func TestFleetOnTheNetwork(t *testing.T) {
	t.Parallel()

	f := newFleet(t)
	row := func(node int, event string) string {
		return fmt.Sprintf(`192\.0\.2\.%d +ext-quiet +Running +\? +\d+s ago +%s.*\n`, node, event)
	}
	all := func(node int) string {
		return fmt.Sprintf(`(?:192\.0\.2\.%d +(?:containerd|journal|logd) .*\n)*`, node)
	}
	rows := func(nodes ...int) string {
		var pattern strings.Builder

		pattern.WriteString(`NODE +SERVICE +STATE +HEALTH +LAST CHANGE +LAST EVENT\n`)

		for _, node := range nodes {
			pattern.WriteString(all(node) + row(node, "Started task") + all(node))
		}

		return pattern.String()
	}

	matches(t, "status", f.cli("status").done(t), rows(1, 2, 3))
	matches(t, "service", f.cli("-n", "192.0.2.3,192.0.2.1", "service").done(t), rows(3, 1))
	matches(t, "restart", f.cli("service", "quiet", "restart", "-n", "192.0.2.2,192.0.2.3").done(t),
		`NODE +RESPONSE\n192\.0\.2\.2   Service "ext-quiet" restarted\n192\.0\.2\.3   Service "ext-quiet" restarted\n`)
	matches(t, "version", f.cli("version").done(t), `CLIENT +\S+\n(192\.0\.2\.[123] +\S+\n){3}`)

	for _, node := range f.nodes {
		node.daemon.status(t, "ext-quiet", "running again", func(s *service) bool { return s.GetState() == "Running" })
	}

	matches(t, "events", f.cli("events", "quiet", "--tail", "1").done(t),
		`NODE +TIME +SERVICE +STATE +EVENT\n(192\.0\.2\.[123] +\S+Z +ext-quiet +Running +Started task .*\n){3}`)

	f.talos()

	ip(t, "-n", f.netns, "link", "set", "wire2", "down")
	f.cutOff(rows)
	ip(t, "-n", f.netns, "link", "set", "wire2", "up")

	f.rotate()
}

// cutOff asks all nodes, the one that is gone first.
func (f *fleet) cutOff(rows func(...int) string) {
	f.t.Helper()

	command := f.command("-n", "192.0.2.3,192.0.2.1,192.0.2.2", "status")
	read, write, err := os.Pipe()
	must(f.t, err)
	defer read.Close()

	command.Stdout, command.Stderr = write, write // both, so that it is seen what comes first
	must(f.t, command.Start())
	write.Close()

	var said strings.Builder
	for lines := bufio.NewScanner(read); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
	}

	_ = command.Wait()

	if code := command.ProcessState.ExitCode(); code != 1 {
		f.t.Errorf("exit code %d", code)
	}

	matches(f.t, "status with a node that is cut off", said.String(),
		rows(1, 2)+`extactor: 192\.0\.2\.3: cannot connect to 192\.0\.2\.3:50000: (no route to host|no answer within 5s; .*)\n`)
}

// talos asks each node as Talos's client does: by the talosconfig, with the node in the metadata; and by that client itself
// where it is installed.
func (f *fleet) talos() {
	f.t.Helper()

	config, err := talosconfig.Read(f.talosconfig)
	must(f.t, err)
	context, err := config.Find("")
	must(f.t, err)
	secured, err := context.TLSConfig()
	must(f.t, err)

	for _, address := range f.addresses {
		conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(address, "50000"),
			grpc.WithTransportCredentials(grpccredentials.NewTLS(secured)), grpc.WithContextDialer(f.dial))
		must(f.t, err)
		defer conn.Close()

		list, err := machine.NewMachineServiceClient(conn).ServiceList(metadata.AppendToOutgoingContext(f.t.Context(), "node", address), &emptypb.Empty{})
		if err != nil || len(list.GetMessages()) != 1 || !strings.Contains(list.String(), "ext-quiet") {
			f.t.Errorf("%s: %v %v", address, list, err)
		}
	}

	program, err := exec.LookPath("talosctl")
	if err != nil {
		return
	}

	for _, address := range f.addresses {
		said, err := exec.CommandContext(f.t.Context(), "nsenter", "--net=/run/netns/"+f.netns, program, "--talosconfig", f.talosconfig,
			"-e", address, "-n", address, "service", "ext-quiet").CombinedOutput()
		must(f.t, err)
		matches(f.t, "talosctl", string(said), `(?s)NODE +`+address+`\nID +ext-quiet\nSTATE +Running\n.*`)
	}
}

func (f *fleet) dial(_ context.Context, address string) (net.Conn, error) {
	return dialFrom(f.netns, address)
}

// rotate gives the fleet a new CA, one node after the other: whoever has a certificate by the old or by the new one is
// answered by all nodes at every moment, and only by the new one in the end.
func (f *fleet) rotate() {
	f.t.Helper()

	f.office.cli("credentials", "rotate", "--ca", "--credentials", f.credentials).done(f.t)
	f.client("renewed", "reader")

	answered := func(when string) {
		f.t.Helper()

		for _, context := range []string{"fleet", "renewed"} {
			if asked := f.cli("--context", context, "version"); asked.code != 0 {
				f.t.Errorf("%s, %s: %s", when, context, asked.stderr)
			}
		}
	}

	answered("before the nodes have the new CA")

	for _, node := range f.nodes {
		f.office.cli(append([]string{"credentials", "rotate", "--credentials", node.flags[3]}, f.authority()...)...).done(f.t)
		answered("while they get it")
	}

	for _, node := range f.nodes {
		f.office.cli("credentials", "rotate", "--drop-old", "--credentials", node.flags[3]).done(f.t)
		node.end(unix.SIGUSR1) // so that no look at the files is waited for
		node.start()
	}

	if asked := f.cli("--context", "renewed", "version"); asked.code != 0 {
		f.t.Errorf("in the end: %s", asked.stderr)
	}

	for _, line := range strings.Split(strings.TrimSpace(f.cli("--context", "fleet", "version").stderr), "\n") {
		if !strings.Contains(line, `is not signed by the CA of context "fleet"`) {
			f.t.Errorf("the old CA, in the end: %s", line)
		}
	}
}
