// Command rename-module moves every module of this repository to another prefix: in go.mod files, imports, documentation,
// configuration and the names under which backends register.
//
//	go run ./scripts/rename-module example.org/team/sessions
//
// It refuses a work tree with uncommitted changes, so that git shows and can take back all it did, and ends by building
// and vetting what it made.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./scripts/rename-module NEW_PREFIX, such as example.org/team/sessions")
		os.Exit(2)
	}
	old, n, err := rename(".", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "rename-module:", err)
		os.Exit(1)
	}
	fmt.Printf("%d files now say %s instead of %s; the workspace builds. Look at it with git diff and commit it.\n", n, os.Args[1], old)
}
