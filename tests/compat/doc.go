// Package compat drives an extactor daemon with Talos's own client library, over mutual TLS. It is a module of its own, so
// that extactor does not carry what that client needs.
package compat
