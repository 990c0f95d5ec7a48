package api

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// TestOnlyRootMayCall opens the socket to everybody by hand, and calls as somebody.
func TestOnlyRootMayCall(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test needs root: it calls as another user")
		}

		t.Skip("SKIPPED: needs root: it calls as another user")
	}

	h := start(t, newServices(), newJournal())

	for _, open := range []struct {
		path string
		mode os.FileMode
	}{{h.socket, 0o666}, {filepath.Dir(h.socket), 0o755}, {filepath.Dir(filepath.Dir(h.socket)), 0o755}} {
		if err := os.Chmod(open.path, open.mode); err != nil {
			t.Fatal(err)
		}
	}

	conn, err := grpc.NewClient("passthrough:///somebody",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return dialAs(h.socket, 65534) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	refused := func(what string, err error) {
		t.Helper()

		if status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "user 65534 may not use extactor") {
			t.Errorf("%s: %v, want a refusal that names the user", what, err)
		}
	}

	_, err = machine.NewMachineServiceClient(conn).ServiceList(t.Context(), &emptypb.Empty{})
	refused("a call of Talos's API", err)

	_, err = apiv1.NewExtactorClient(conn).Status(t.Context(), &apiv1.StatusRequest{})
	refused("a call of our own", err)

	stream, err := machine.NewMachineServiceClient(conn).Logs(t.Context(), &machine.LogsRequest{Id: "ext-a"})
	if err == nil {
		_, err = stream.Recv()
	}

	if err == io.EOF {
		t.Error("a stream ended as if it had been served")
	}

	refused("a stream", err)

	if _, err := h.Machine.ServiceList(t.Context(), &emptypb.Empty{}); err != nil {
		t.Errorf("root is refused: %v", err)
	}
}

// dialAs connects as another user. The kernel takes the credentials of the thread that connects; the thread is not used
// again afterwards.
func dialAs(socket string, uid int) (net.Conn, error) {
	type dialed struct {
		conn net.Conn
		err  error
	}

	done := make(chan dialed)

	go func() {
		runtime.LockOSThread()

		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			done <- dialed{err: errno}

			return
		}

		conn, err := net.Dial("unix", socket)
		done <- dialed{conn, err}
	}()

	result := <-done

	return result.conn, result.err
}
