package main

import (
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	agentcmd "istio.io/istio/pkg/cmd"
	"istio.io/istio/pkg/log"
	iptables "istio.io/istio/tools/istio-iptables/pkg/cmd"
)

var iptablesAnswers = map[string]func(a []string) any{
	// Arguments of the container, its environment.
	"iptables": func(a []string) any {
		var args []string
		must(json.Unmarshal([]byte(a[0]), &args))
		environment := labelMap(a[1])
		for name, value := range environment {
			must(os.Setenv(name, value))
		}
		defer func() {
			for name := range environment {
				must(os.Unsetenv(name))
			}
		}()
		return flags(args)
	},
}

// flags returns the flags with which the command istio-iptables of pilot-agent would run, or nil where it would not.
// The root command is made as pilot/cmd/pilot-agent/app/cmd.go (NewRootCommand) makes it.
func flags(args []string) any {
	options := log.DefaultOptions()
	root := &cobra.Command{
		Use:                "pilot-agent",
		SilenceUsage:       true,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
	}
	options.AttachCobraFlags(root)
	agentcmd.AddFlags(root)
	command := iptables.GetCommand(options)
	root.AddCommand(command)
	var set map[string]string
	command.PreRunE = nil
	command.Run = func(cmd *cobra.Command, _ []string) {
		set = map[string]string{}
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if flag.Name != "help" {
				set[flag.Name] = flag.Value.String()
			}
		})
	}
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	if err := root.Execute(); err != nil || set == nil {
		return nil
	}
	return set
}
