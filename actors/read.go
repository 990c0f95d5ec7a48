package actors

import (
	"reflect"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/extactor/extactor/events"
	"github.com/extactor/extactor/service"
	"github.com/extactor/extactor/spec"
)

// mostFiles bounds one record of a reading.
const mostFiles = 100

// noteRead records what a reading of the files brought, compared with what they said before; nothing where that is the
// same. What follows from the files names this record as its cause.
func (r *rootActor) noteRead(before Desired, cause uint64) {
	var facts []events.Fact

	changed := append(r.readServices(before), r.readConfigs(before)...)
	for files := range slices.Chunk(changed, mostFiles) {
		facts = append(facts, &events.FilesRead{Files: files})
	}

	for _, rejected := range r.desired.Rejected {
		if !slices.ContainsFunc(before.Rejected, func(known *events.SpecRejected) bool { return proto.Equal(known, rejected) }) {
			facts = append(facts, rejected)
		}
	}

	for _, former := range before.Rejected {
		if !rejectedIn(r.desired, former.GetFile()) { // it has been corrected, or is gone
			facts = append(facts, &events.SpecRejected{File: former.GetFile()})
		}
	}

	if len(facts) == 0 {
		return
	}

	r.noteFrom(r.desired.Origin, "", cause, facts...)
	r.read = r.last
}

func (r *rootActor) readServices(before Desired) []*events.FileRead {
	former := make(map[string]*spec.Service, len(before.Services))
	for _, file := range before.Services {
		former[file.ID()] = file
	}

	var changed []*events.FileRead

	for _, file := range r.desired.sorted() {
		known := former[file.ID()]
		delete(former, file.ID())

		if known == nil || !reflect.DeepEqual(known, file) {
			changed = append(changed, &events.FileRead{
				Action: action(known != nil || rejectedIn(before, file.Source)), Service: file.ID(), File: file.Source,
				Hash: service.FileHash(file, r.world.key),
			})
		}
	}

	for _, file := range before.sorted() {
		if former[file.ID()] != nil && !rejectedIn(r.desired, file.Source) {
			changed = append(changed, &events.FileRead{Action: string(Removed), Service: file.ID(), File: file.Source})
		}
	}

	return changed
}

func (r *rootActor) readConfigs(before Desired) []*events.FileRead {
	var changed []*events.FileRead

	for _, config := range r.desired.Configs {
		if known := before.config(config.Name); !reflect.DeepEqual(known, config) {
			changed = append(changed, &events.FileRead{
				Action: action(known != nil), Service: prefix + config.Name, Config: true, File: config.Source,
				Hash: service.ConfigHash(config, r.world.key),
			})
		}
	}

	for _, config := range before.Configs {
		if r.desired.config(config.Name) == nil {
			changed = append(changed, &events.FileRead{
				Action: string(Removed), Service: prefix + config.Name, Config: true, File: config.Source,
			})
		}
	}

	return changed
}

// prefix begins the id of every service that has a file.
const prefix = "ext-"

func action(known bool) string {
	if known {
		return string(Changed)
	}

	return string(Added)
}

// rejectedIn tells whether a file has problems, or cannot be read.
func rejectedIn(desired Desired, source string) bool {
	return slices.ContainsFunc(desired.Rejected, func(rejected *events.SpecRejected) bool { return rejected.Covers(source) })
}
