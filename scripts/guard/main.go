// Command guard checks what keeps the modules of this repository independent of each other and light for their users:
//
//   - every go.mod says go 1.26.0, has no toolchain line, is named after its folder, requires its siblings at one common
//     version and replaces exactly these by their folders;
//   - core requires nothing at all;
//   - no released module requires what only tests need, or a module that is not released;
//   - no released package but core/sessiontest depends on package testing, which would link it and its flags into programs.
package main

import (
	"fmt"
	"os"

	"github.com/nonstick-go/nonstick/scripts/internal/workspace"
)

func main() {
	ws, err := workspace.Load(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		os.Exit(2)
	}
	problems := append(checkFiles(ws), checkGraph(ws)...)
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("guard: %d modules are independent of each other\n", len(ws.Modules))
}
