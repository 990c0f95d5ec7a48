// Package credentials makes, keeps and reads what the daemon's network API and its clients show each other: certificates of
// mutual TLS as Talos has them. The role of a client is the organization in its certificate.
//
// A directory, for its owner alone, holds:
//
//	ca.crt        the certificate authority (CA). During a rotation the same CA follows, signed by the one before it
//	ca.key        its key; only where certificates are made, which need not be the machine that runs the daemon
//	server.crt    what the daemon shows, with what leads from it to the CA before
//	server.key    its key
//	accepted.crt  CAs whose clients are let in besides; only during a rotation
//
// A file of keys may hold several: the one that belongs to the certificate counts. That is how a pair of files is replaced
// without a moment in which they do not fit: the new key is added, the certificate replaced, the old key taken away.
package credentials
