package journal

// maintain looks after snapshots that are owed and records that are too old; the lock is held.
func (j *Journal) maintain() {}
