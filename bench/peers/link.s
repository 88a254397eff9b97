// Empty on purpose: its presence lets codec.go declare functions whose bodies the linker finds elsewhere.
