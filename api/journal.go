package api

import (
	"context"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	apiv1 "github.com/extactor/extactor/api/v1"
)

// Keeper looks after the file of the journal.
type Keeper interface {
	// Status tells how the journal does. It never blocks on the disk.
	Status() *apiv1.JournalStatusResponse
	// Backup writes the database as it is at one moment into a file, and returns the newest record in it. A file that
	// exists is replaced only with force.
	Backup(ctx context.Context, path string, force bool) (newest uint64, err error)
	// Prune deletes the records before a sequence but for the newest lines of EVENTS, and returns from which sequence on
	// everything is there.
	Prune(ctx context.Context, before uint64) (floor uint64, err error)
}

func (s *Server) keeper() (Keeper, error) {
	if s.options.Keeper == nil {
		return nil, status.Error(codes.Unimplemented, "no journal is kept here")
	}

	return s.options.Keeper, nil
}

// JournalStatus implements extactor.v1.
func (e *extactorService) JournalStatus(context.Context, *apiv1.JournalStatusRequest) (*apiv1.JournalStatusResponse, error) {
	keeper, err := e.server.keeper()
	if err != nil {
		return nil, err
	}

	return keeper.Status(), nil
}

// BackupJournal implements extactor.v1.
func (e *extactorService) BackupJournal(ctx context.Context, request *apiv1.BackupJournalRequest) (*apiv1.BackupJournalResponse, error) {
	keeper, err := e.server.keeper()
	if err != nil {
		return nil, err
	}

	if !filepath.IsAbs(request.GetPath()) {
		return nil, status.Errorf(codes.InvalidArgument, "path %q is not absolute", request.GetPath())
	}

	newest, err := keeper.Backup(ctx, request.GetPath(), request.GetForce())
	if err != nil {
		return nil, failure(codes.FailedPrecondition, err)
	}

	return &apiv1.BackupJournalResponse{Newest: newest, Buffered: keeper.Status().GetBuffered()}, nil
}

// PruneJournal implements extactor.v1.
func (e *extactorService) PruneJournal(ctx context.Context, request *apiv1.PruneJournalRequest) (*apiv1.PruneJournalResponse, error) {
	keeper, err := e.server.keeper()
	if err != nil {
		return nil, err
	}

	past, err := e.server.past(ctx)
	if err != nil {
		return nil, err
	}

	if request.GetBefore().GetKind() == nil {
		return nil, status.Error(codes.InvalidArgument, "it is not said what is old")
	}

	// Whoever mistypes a year or a number must not lose everything.
	if err := e.server.written(ctx, past, request.GetBefore()); err != nil {
		return nil, err
	}

	if wall, ok := request.GetBefore().GetKind().(*apiv1.Point_WallNs); ok && wall.WallNs > e.server.options.Now().GetWallNs() {
		return nil, status.Errorf(codes.OutOfRange, "%s is yet to come, and all of the journal is older",
			time.Unix(0, wall.WallNs).UTC().Format(time.RFC3339))
	}

	before, err := e.server.locate(ctx, past, request.GetBefore())
	if err != nil {
		return nil, err
	}

	floor, err := keeper.Prune(ctx, before)
	if err != nil {
		return nil, failure(codes.FailedPrecondition, err)
	}

	return &apiv1.PruneJournalResponse{Floor: floor, Bytes: keeper.Status().GetBytes()}, nil
}
