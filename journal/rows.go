package journal

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
)

// unknownKind is the kind of an event or command that this version has no name for.
const unknownKind = "unknown"

// commandPrefix begins the kind of every row that holds a command.
const commandPrefix = "command."

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Identity is what every record of one run of the daemon has in common.
type Identity struct {
	Instance string // UUID of the state directory
	BootID   string // kernel boot id
	RunID    string // UUID of one run of the daemon
}

// Rows lays a decision out as records: first its command, if it has one, then its entries. The first of them has the
// sequence first, and all of them name it as their decision.
func Rows(identity Identity, first uint64, decision events.Decision) []events.Record {
	base := events.Record{
		Instance: identity.Instance, BootID: identity.BootID, RunID: identity.RunID,
		Service: decision.Service, WallNS: decision.At.GetWallNs(), BootNS: decision.At.GetBootNs(),
		Cause: decision.Cause, Decision: first, Origin: decision.Origin,
	}
	rows := make([]events.Record, 0, len(decision.Entries)+1)

	if decision.Command != nil {
		row := base
		row.Seq = first
		row.Command = decision.Command
		row.Kind = cmp.Or(decision.Command.KindName(), commandPrefix+unknownKind)
		rows = append(rows, row)
	}

	for _, entry := range decision.Entries {
		row := base
		row.Seq = first + uint64(len(rows))
		row.Event = entry.Event
		row.Kind = cmp.Or(entry.Event.KindName(), unknownKind)
		row.State, row.Attempt, row.Message = entry.State, entry.Attempt, entry.Message
		rows = append(rows, row)
	}

	return rows
}

// payload encodes what only this version's protobuf types can say. The same message always gives the same bytes.
func payload(row *events.Record) ([]byte, error) {
	var message proto.Message = row.Event
	if row.Command != nil {
		message = row.Command
	}

	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("cannot encode record %q: %w", row.Kind, err)
	}

	return bytes, nil
}

// decode sets the row's event or command from its payload. A kind that this version does not know leaves both nil.
func decode(row *events.Record, payload []byte) error {
	if len(row.Kind) >= len(commandPrefix) && row.Kind[:len(commandPrefix)] == commandPrefix {
		command := &events.Command{}
		if err := proto.Unmarshal(payload, command); err != nil {
			return fmt.Errorf("cannot decode record %d: %w", row.Seq, err)
		}

		if command.GetKind() != nil {
			row.Command = command
		}

		return nil
	}

	event := &events.Event{}
	if err := proto.Unmarshal(payload, event); err != nil {
		return fmt.Errorf("cannot decode record %d: %w", row.Seq, err)
	}

	if event.GetKind() != nil {
		row.Event = event
	}

	return nil
}

// checksum is the CRC32C over every column but itself. Lengths are part of it, so that no byte can move from one column to
// the next unseen. The buffer is scratch space, returned grown.
func checksum(buffer []byte, row *events.Record, payload []byte) (uint32, []byte) {
	buffer = buffer[:0]
	for _, number := range []uint64{
		row.Seq, row.Attempt, uint64(row.WallNS), uint64(row.BootNS), row.Cause, row.Decision,
	} {
		buffer = binary.LittleEndian.AppendUint64(buffer, number)
	}

	for _, text := range []string{
		row.Instance, row.BootID, row.RunID, row.Service, row.Kind, row.State, row.Message,
	} {
		buffer = binary.AppendUvarint(buffer, uint64(len(text)))
		buffer = append(buffer, text...)
	}

	if row.Origin == nil {
		buffer = append(buffer, 0)
	} else {
		buffer = append(buffer, 1)
		buffer = binary.LittleEndian.AppendUint32(buffer, row.Origin.GetUid())
		buffer = binary.LittleEndian.AppendUint32(buffer, uint32(row.Origin.GetPid()))
		via := viaOf(row.Origin)
		buffer = binary.AppendUvarint(buffer, uint64(len(via)))
		buffer = append(buffer, via...)
	}

	buffer = append(buffer, payload...)

	return crc32.Checksum(buffer, castagnoli), buffer
}

// remote is how the column actor_via begins where a command came over the network; who gave it follows.
const remote = "network "

// viaOf is what the column actor_via says of an origin.
func viaOf(origin *events.Origin) string {
	if who := origin.GetRemote(); who != "" {
		return remote + who
	}

	return origin.GetVia()
}

// originOf is the origin that the columns tell of.
func originOf(uid uint32, pid int32, via string) *events.Origin {
	if who, ok := strings.CutPrefix(via, remote); ok && who != "" {
		return &events.Origin{Uid: uid, Pid: pid, Via: strings.TrimSpace(remote), Remote: who}
	}

	return &events.Origin{Uid: uid, Pid: pid, Via: via}
}
