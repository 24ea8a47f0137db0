//! The suite on a real Swift, behind tempauth and behind Keystone; and, in front of a scripted server, what a real Swift does
//! not do on command.

mod real;
mod scripted;
mod server;
