// Package report makes one HTML page of a journal: with it a person can look at every moment that was recorded, without a
// network, a daemon or a server. It is pure: records go in, bytes come out, and the same records give the same bytes.
//
// The page folds nothing. Events are folded here, as everywhere else, and what each record changed of each service is
// written down; the page looks up what is so at a moment. docs/report.md describes what is embedded.
package report
