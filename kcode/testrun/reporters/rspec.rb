# A formatter for RSpec: one line of JSON for each event, behind a sign that no example prints by chance.
require 'json'

class KcodeFormatter
  RSpec::Core::Formatters.register self, :start, :example_started, :example_passed, :example_failed, :example_pending

  def initialize(output)
    @output = output
  end

  def start(notification)
    say(total: notification.count)
  end

  def example_started(notification)
    say(begin: notification.example.id)
  end

  def example_passed(notification)
    ended('passed', notification.example)
  end

  def example_failed(notification)
    ended('failed', notification.example)
  end

  def example_pending(notification)
    ended('skipped', notification.example)
  end

  private

  def ended(status, example)
    say(status: status, id: example.id, seconds: example.execution_result.run_time)
  end

  def say(data)
    @output.write("\n@@kcode #{JSON.generate(data)}\n")
    @output.flush
  end
end
