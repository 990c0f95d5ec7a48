// Package replay proves that what the journal says of the past is what was so then: for random lives of real services, at
// every single record.
package replay
