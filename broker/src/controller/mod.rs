//! stub while compiling
mod quorum;
