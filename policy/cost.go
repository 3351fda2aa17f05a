package policy

import (
	"errors"

	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// maxCost is what an evaluation may cost, in steps of the kind that CEL estimates.
//
// CEL knows of most expressions that they cannot cost more, whatever a client sends:
// among them are those that look at each name of the longest ALPN list and compare it
// with a few texts. Nothing is counted for these. In others, each part that is evaluated
// is a step, and more if it is a long text. CEL could count, too, but takes a time that
// grows with the square of the steps of a loop: minutes for the longest lists.
const maxCost = 1_000_000

const (
	bytesPerStep = 16 // of a text
	regexpFactor = 16 // what it costs to match a text more than to look at it
)

// ErrCost is the error of an expression that costs more than it may.
var ErrCost = errors.New("costs more than an expression may")

// varInput is the variable by which steps find their Input. No expression can name it.
const varInput = "@input"

// counted makes a step of an expression count.
func counted(step interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	switch s := step.(type) {
	case interpreter.InterpretableConst:
		return step, nil
	case interpreter.InterpretableAttribute:
		return &countedAttribute{s}, nil
	case interpreter.InterpretableConstructor:
		return step, nil // its parts count
	case interpreter.InterpretableCall:
		if s.OverloadID() == overloads.MatchesString || s.OverloadID() == overloads.Matches {
			return &countedStep{step, regexpFactor}, nil
		}
	}
	return &countedStep{step, 0}, nil
}

// A countedStep is any step but a variable.
type countedStep struct {
	interpreter.InterpretableV2
	factor int // of what its parts cost
}

func (s *countedStep) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	in := inputOf(frame)
	before := in.cost
	v := s.InterpretableV2.Exec(frame)
	in.charge(v)
	in.cost += s.factor * (in.cost - before)
	return v
}

func (s *countedStep) Eval(vars interpreter.Activation) ref.Val {
	return s.Exec(interpreter.AsFrame(vars))
}

// A countedAttribute is a variable or a field of one.
type countedAttribute struct {
	interpreter.InterpretableAttribute
}

func (a *countedAttribute) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := a.InterpretableAttribute.Exec(frame)
	inputOf(frame).charge(v)
	return v
}

func (a *countedAttribute) Eval(vars interpreter.Activation) ref.Val {
	return a.Exec(interpreter.AsFrame(vars))
}

func inputOf(frame *interpreter.ExecutionFrame) *Input {
	in, _ := frame.ResolveName(varInput)
	return in.(*Input)
}

// charge counts a step with its result, and ends the evaluation if it costs too much.
func (in *Input) charge(v ref.Val) {
	in.cost++
	switch v := v.(type) {
	case types.String:
		in.cost += len(v) / bytesPerStep
	case types.Bytes:
		in.cost += len(v) / bytesPerStep
	}
	if in.cost > maxCost {
		// The one way out of a loop of CEL. The evaluation returns it as its error.
		panic(interpreter.EvalCancelledError{Cause: interpreter.CostLimitExceeded, Message: ErrCost.Error()})
	}
}
