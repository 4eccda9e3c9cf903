//! Every template of llama.cpp, against Python.
