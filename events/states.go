package events

// The states of a service, in the words of Talos. They are kept as strings, apart from any wire enum.
const (
	StateInitialized = "Initialized" // known, nothing has happened yet
	StateWaiting     = "Waiting"     // for its dependencies, or for the next try
	StatePreparing   = "Preparing"   // its container is being made
	StateRunning     = "Running"     // its task runs
	StateStopping    = "Stopping"    // its task was asked to end
	StateFinished    = "Finished"    // ended, or was stopped, and is not started again by itself
	StateFailed      = "Failed"      // ended with a failure and is not started again by itself
	StateSkipped     = "Skipped"     // not to be run here
)

// States lists every state in the order of a service's life.
func States() []string {
	return []string{
		StateInitialized, StateWaiting, StatePreparing, StateRunning, StateStopping, StateFinished, StateFailed, StateSkipped,
	}
}
