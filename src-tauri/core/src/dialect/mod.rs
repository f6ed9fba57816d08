//! What a server speaks.
