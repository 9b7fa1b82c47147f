package gate

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/ext"
)

var X = func() any { e, _ := cel.NewEnv(ext.Strings()); return e }
