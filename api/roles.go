package api

import (
	"slices"
	"strings"
	"unicode"

	"github.com/siderolabs/talos/pkg/machinery/api/machine"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// role is what somebody who calls over the network may do. Each includes those before it.
type role int

const (
	nobody role = iota
	reader
	operator
	admin
	local // what no role allows: root on the daemon's host may, over the unix socket
)

// roleNames are how Talos writes roles into the organization of a certificate.
var roleNames = map[role]string{reader: "os:reader", operator: "os:operator", admin: "os:admin"}

// leastRoles says what it takes to call a method over the network. What is not here cannot be called from there.
//
// ShowConfig is for admins because the documents hold passwords; BackupJournal is for nobody, because it writes a file with
// a path of the caller's choice on the daemon's host, where a remote caller cannot even fetch it.
var leastRoles = map[string]role{
	machine.MachineService_Containers_FullMethodName:         reader,
	machine.MachineService_CPUFreqStats_FullMethodName:       reader,
	machine.MachineService_CPUInfo_FullMethodName:            reader,
	machine.MachineService_DiskStats_FullMethodName:          reader,
	machine.MachineService_Dmesg_FullMethodName:              reader,
	machine.MachineService_Events_FullMethodName:             reader,
	machine.MachineService_Hostname_FullMethodName:           reader,
	machine.MachineService_LoadAvg_FullMethodName:            reader,
	machine.MachineService_Logs_FullMethodName:               reader,
	machine.MachineService_LogsContainers_FullMethodName:     reader,
	machine.MachineService_Memory_FullMethodName:             reader,
	machine.MachineService_Mounts_FullMethodName:             reader,
	machine.MachineService_NetworkDeviceStats_FullMethodName: reader,
	machine.MachineService_Processes_FullMethodName:          reader,
	machine.MachineService_ServiceList_FullMethodName:        reader,
	machine.MachineService_Stats_FullMethodName:              reader,
	machine.MachineService_SystemStat_FullMethodName:         reader,
	machine.MachineService_Version_FullMethodName:            reader,

	machine.MachineService_ServiceRestart_FullMethodName: operator,
	machine.MachineService_ServiceStart_FullMethodName:   operator,
	machine.MachineService_ServiceStop_FullMethodName:    operator,

	machine.MachineService_ApplyConfiguration_FullMethodName: admin,

	apiv1.Extactor_Events_FullMethodName:        reader,
	apiv1.Extactor_Explain_FullMethodName:       reader,
	apiv1.Extactor_Info_FullMethodName:          reader,
	apiv1.Extactor_JournalStatus_FullMethodName: reader,
	apiv1.Extactor_ListConfigs_FullMethodName:   reader,
	apiv1.Extactor_Logs_FullMethodName:          reader,
	apiv1.Extactor_Replay_FullMethodName:        reader,
	apiv1.Extactor_Stats_FullMethodName:         reader,
	apiv1.Extactor_Status_FullMethodName:        reader,
	apiv1.Extactor_StatusAt_FullMethodName:      reader,
	apiv1.Extactor_WatchStatus_FullMethodName:   reader,
	apiv1.Extactor_Why_FullMethodName:           reader,

	apiv1.Extactor_Restart_FullMethodName: operator,
	apiv1.Extactor_Signal_FullMethodName:  operator,
	apiv1.Extactor_Start_FullMethodName:   operator,
	apiv1.Extactor_Stop_FullMethodName:    operator,

	apiv1.Extactor_ApplyConfig_FullMethodName:  admin,
	apiv1.Extactor_DeleteConfig_FullMethodName: admin,
	apiv1.Extactor_Exec_FullMethodName:         admin,
	apiv1.Extactor_PruneJournal_FullMethodName: admin,
	apiv1.Extactor_Reload_FullMethodName:       admin,
	apiv1.Extactor_ShowConfig_FullMethodName:   admin,

	apiv1.Extactor_BackupJournal_FullMethodName: local,
}

// roleOf returns the highest role in the organizations of a certificate. Those that are not known allow nothing.
func roleOf(organizations []string) role {
	highest := nobody

	for candidate, name := range roleNames {
		if candidate > highest && slices.Contains(organizations, name) {
			highest = candidate
		}
	}

	return highest
}

// allow tells whether a certificate with these organizations may call a method.
func allow(organizations []string, method string) error {
	least, known := leastRoles[method]
	shown := shortened(method, longestShown) // anybody may have made it up

	switch {
	case roleOf(organizations) == nobody:
		return status.Errorf(codes.PermissionDenied,
			"%s: none of the roles of extactor is in this certificate: it has %s; roles are os:reader, os:operator and os:admin", shown, quoted(organizations))
	case !known && !strings.HasPrefix(method, "/"+apiv1.Extactor_ServiceDesc.ServiceName+"/"):
		return absent(method)
	case !known:
		return status.Errorf(codes.PermissionDenied, "%s is for nobody", shown)
	case least == local:
		return status.Errorf(codes.PermissionDenied, "%s can be called on the daemon's own host only", shown)
	case roleOf(organizations) < least:
		return status.Errorf(codes.PermissionDenied, "%s needs the role %s; this certificate has %s", shown, roleNames[least], quoted(organizations))
	default:
		return nil
	}
}

// longestQuoted is how much of a certificate's text is repeated.
const longestQuoted = 200

func quoted(organizations []string) string {
	text := strings.Join(slices.DeleteFunc(slices.Clone(organizations), func(name string) bool { return name == "" }), ", ")
	if text == "" {
		return "none"
	}

	return shortened(text, longestQuoted)
}

// shortened makes a text of others fit for a message, and for the terminal of who reads it.
func shortened(text string, longest int) string {
	return strings.Map(func(char rune) rune {
		if unicode.IsPrint(char) {
			return char
		}

		return '?'
	}, strings.ToValidUTF8(text[:min(len(text), longest)], "?"))
}
