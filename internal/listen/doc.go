// Package listen has the sockets and certificates of "tlspeek serve".
package listen
