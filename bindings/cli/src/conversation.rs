//! The messages of a chat, kept well formed: a message that got no answer is taken back, so
//! that person and model always take turns.

use indwell::{Message, system, user};

/// A chat so far.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    messages: Vec<Message>,
}

impl Conversation {
    /// A chat in which nobody has spoken yet.
    pub(crate) fn new(instructions: Option<&str>) -> Self {
        Self { messages: instructions.map(system).into_iter().collect() }
    }

    /// The person speaks. Returns all messages, this one last.
    pub(crate) fn ask(&mut self, text: &str) -> Vec<Message> {
        self.messages.push(user(text));
        self.messages.clone()
    }

    /// The model has answered; with nothing, if it was stopped before its first word.
    pub(crate) fn answered(&mut self, answer: Message) {
        if answer.content.is_empty() && answer.tool_calls.is_empty() {
            self.unanswered();
        } else {
            self.messages.push(answer);
        }
    }

    /// The last message could not be answered.
    pub(crate) fn unanswered(&mut self) {
        self.messages.pop();
    }

    /// Forgets everything but the instructions.
    pub(crate) fn clear(&mut self) {
        self.messages.retain(|message| message.role == indwell::Role::System);
    }
}

#[cfg(test)]
mod tests {
    use indwell::{ToolCall, assistant};

    use super::*;

    #[test]
    fn a_message_without_an_answer_is_taken_back() {
        let mut conversation = Conversation::new(Some("be brief"));
        assert_eq!(conversation.ask("one").len(), 2);
        conversation.unanswered();
        conversation.ask("two");
        conversation.answered(assistant(""));
        assert_eq!(conversation.ask("three"), [system("be brief"), user("three")]);
    }

    #[test]
    fn clearing_keeps_the_instructions() {
        let mut conversation = Conversation::new(Some("be brief"));
        conversation.ask("one");
        conversation.answered(assistant("1"));
        conversation.clear();
        assert_eq!(conversation.ask("two"), [system("be brief"), user("two")]);
    }

    #[test]
    fn an_answer_of_calls_alone_is_an_answer() {
        let call = ToolCall { id: "1".into(), name: "look_up".into(), arguments: "{}".into() };
        let mut conversation = Conversation::new(None);
        conversation.ask("one");
        conversation.answered(assistant("").tool_calls([call]));
        assert_eq!(conversation.ask("two").len(), 3);
    }
}
