package policy

import (
	"errors"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// maxCost is what an evaluation may cost, in steps of the kind that CEL estimates.
//
// CEL knows of most expressions that they cannot cost more, whatever a client sends:
// among them are those that look at each name of the longest ALPN list and compare it
// with a few texts. Nothing is counted for these. In others, each part that is evaluated
// is a step, and more if it is a long text. CEL could count, too, but takes a time that
// grows with the square of the steps of a loop: 11 s before it ends two loops in one
// another over 30,000 names, which takes 0.1 s here.
const maxCost = 1_000_000

const (
	bytesPerStep = 4       // of a text
	eventSteps   = 1 << 12 // of an Event as a whole
	objectSteps  = 8
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
	}
	step, err := matching(step)
	return &countedStep{step}, err
}

// A countedStep is any step but a variable.
type countedStep struct {
	interpreter.InterpretableV2
}

func (s *countedStep) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := s.InterpretableV2.Exec(frame)
	inputOf(frame).charge(v)
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

// charge counts a step with its result. What a list or an object has is counted for each
// time that it is read, since it may be compared with another.
func (in *Input) charge(v ref.Val) {
	steps := 1
	switch v := v.(type) {
	case types.String:
		steps += len(v) / bytesPerStep
	case types.Bytes:
		steps += len(v) / bytesPerStep
	case *object:
		if steps = objectSteps; v.in != nil {
			steps = eventSteps
		}
	case *objectList:
		steps += objectSteps * len(v.objects)
	case traits.MutableLister: // the one that map and filter make
	case traits.Lister:
		if n, ok := v.Size().(types.Int); ok {
			steps += int(n)
		}
	}
	in.spend(steps)
}

// spend counts steps, and ends the evaluation if it costs too much.
func (in *Input) spend(steps int) {
	if in.cost += steps; in.cost > maxCost {
		// The one way out of a loop of CEL. The evaluation returns it as its error.
		panic(interpreter.EvalCancelledError{Cause: interpreter.CostLimitExceeded, Message: ErrCost.Error()})
	}
}
