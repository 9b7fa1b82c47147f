package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

func newMergeCmd(s *streams) *cobra.Command {
	var o reviewOptions
	formats := impactFormats()
	c := &cobra.Command{
		Use:   "merge PART...",
		Short: "One review of the parts that bulkhead impact --shard wrote",
		Long: `Puts the parts of one comparison together, and gives the answer that bulkhead impact gives for the whole
fleet: the same text, the same files, the same exit code. It needs no clone, and renders nothing.

All parts must be there, of the same two commits, written with the same options by the same version
of bulkhead, and with the same BULKHEAD_SALT. Gates are judged here, over all clusters.`,
		Example: `  bulkhead impact main HEAD --shard 1/2 > part-1.json
  bulkhead impact main HEAD --shard 2/2 > part-2.json
  bulkhead impact merge part-1.json part-2.json --report html=impact.html`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("impact merge needs the files of the parts", "for instance bulkhead impact merge part-*.json")
			}
			return nil
		},
		PreRunE: func(*cobra.Command, []string) error { return checkFormat(o.format, formats) },
		RunE:    func(cmd *cobra.Command, args []string) error { return runMerge(cmd.Context(), &o, s, args) },
	}
	o.bindReview(c)
	f := c.Flags()
	f.BoolVar(&o.strict, "strict", false, "exit 3 when anything failed or is unresolved")
	f.StringVarP(&o.format, "output", "o", formats[0], "`FORMAT` of the output: "+strings.Join(formats, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return withCodes(c, true)
}

func runMerge(ctx context.Context, o *reviewOptions, s *streams, files []string) error {
	out, err := o.output()
	if err != nil {
		return err
	}
	var parts []*part.Part
	var names []string
	for _, file := range files {
		p, err := readPart(file)
		if err != nil {
			return err
		}
		parts, names = append(parts, p), append(names, term.Quote(file))
	}
	if err := part.Check(names, parts); err != nil {
		if apart, ok := errors.AsType[*part.MismatchError](err); ok {
			return hinted(errors.New("merge: "+apart.What), apart.Cure)
		}
		return err
	}
	return o.tell(ctx, s, parts, out)
}

// readPart reads the file of a part.
func readPart(file string) (*part.Part, error) {
	in, err := os.Open(file) //nolint:gosec // G304: the user names the file
	if err != nil {
		return nil, hinted(fmt.Errorf("read part %s: %w", file, cause(err)), "name the files that bulkhead impact --shard wrote")
	}
	defer func() { _ = in.Close() }()
	p, err := part.Decode(in)
	if err != nil {
		return nil, hinted(fmt.Errorf("part %s %w", file, err), "run bulkhead impact --shard again for it, and keep its standard output as it is")
	}
	return p, nil
}
