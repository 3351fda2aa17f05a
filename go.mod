module github.com/tlspeek/tlspeek

go 1.26
